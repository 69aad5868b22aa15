//! Datagrams are lost.

use crate::linked::assert_unnoticed;
use crate::weather::{Chances, FAIR, weather};

#[tokio::test]
async fn one_in_a_hundred_is_lost() {
    assert_unnoticed(weather("loss of 1 %", Chances { lost: 1.0, ..FAIR })).await;
}

#[tokio::test]
async fn one_in_twenty_is_lost() {
    assert_unnoticed(weather("loss of 5 %", Chances { lost: 5.0, ..FAIR })).await;
}
