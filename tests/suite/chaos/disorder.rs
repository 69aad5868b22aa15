//! Datagrams overtake each other, and come twice.

use std::time::Duration;

use crate::linked::assert_unnoticed;
use crate::weather::{Chances, FAIR, weather};

#[tokio::test]
async fn one_in_ten_is_overtaken() {
    assert_unnoticed(weather("reordering of 10 %", Chances { overtaken: 10.0, ..FAIR })).await;
}

#[tokio::test]
async fn one_in_ten_comes_twice() {
    assert_unnoticed(weather("duplication of 10 %", Chances { twice: 10.0, ..FAIR })).await;
}

#[tokio::test]
async fn all_of_it_at_once() {
    // As much as leaves room for the load: what TCP or QUIC get through falls with delay and loss.
    let delay = Duration::from_millis(10);
    let chances = Chances { lost: 1.0, twice: 5.0, overtaken: 5.0, delay };
    assert_unnoticed(weather("all at once", chances)).await;
}
