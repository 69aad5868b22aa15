//! Nothing gets through for as long as a tunnel may be silent (`IDLE_TIMEOUT`): it may survive that or come back, under the
//! same URL.

use std::time::Duration;

use gantz_tests::link::{blocked, fair};

use crate::linked::{RECOVERY, loaded};

#[tokio::test]
async fn for_30_s_nothing_gets_through() {
    let (world, load) = loaded().await;
    let link = world.link.as_ref().unwrap();
    link.set(blocked());
    tokio::time::sleep(Duration::from_secs(30)).await;
    link.set(fair());
    load.flows(RECOVERY).await;
    load.finish().await.assert_honest();
}

/// Less than a request is held for an agent that is away: nothing is given up.
#[tokio::test]
async fn a_pause_of_3_s_goes_unnoticed() {
    let (world, load) = loaded().await;
    let link = world.link.as_ref().unwrap();
    link.set(blocked());
    tokio::time::sleep(Duration::from_secs(3)).await;
    link.set(fair());
    load.flows(RECOVERY).await;
    load.finish().await.assert_unnoticed();
}
