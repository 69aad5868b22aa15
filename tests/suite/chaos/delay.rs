//! Datagrams take long, each way.

use std::time::Duration;

use crate::linked::assert_unnoticed;
use crate::weather::{Chances, FAIR, weather};

#[tokio::test]
async fn each_takes_200_ms() {
    assert_unnoticed(weather("200 ms each way", Chances { delay: Duration::from_millis(200), ..FAIR })).await;
}
