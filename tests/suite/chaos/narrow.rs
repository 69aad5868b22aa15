//! Paths that carry smaller datagrams than the agent's first link does, as between networks of jumbo frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gantz_agent::config::Transports;
use gantz_agent::tunnel::Transport;
use gantz_tests::link::{ETHERNET, Fate, Weather};

use crate::linked::{A_WHILE, RECOVERY, assert_unnoticed, loaded_in};

/// Loses what Ethernet does not carry, which this machine's loopback does, and counts it.
fn narrow(lost: &Arc<AtomicU32>) -> Weather {
    let lost = lost.clone();
    Box::new(move |_, datagram| {
        if datagram.len() <= ETHERNET {
            return Fate::Arrives;
        }
        lost.fetch_add(1, Ordering::Relaxed);
        Fate::Lost
    })
}

#[tokio::test]
async fn a_path_of_ethernet_goes_unnoticed() {
    let lost = Arc::default();
    let (_world, load) = loaded_in(narrow(&lost), Transports::Quic, Transport::Quic).await;
    tokio::time::sleep(A_WHILE).await;
    load.flows(RECOVERY).await;
    load.finish().await.assert_unnoticed();
    assert_ne!(lost.load(Ordering::Relaxed), 0, "nobody has looked for more");
}

/// As when a route changes: all that is large is lost from one moment to the next.
#[tokio::test]
async fn a_path_that_gets_narrow_goes_unnoticed() {
    let lost = Arc::default();
    assert_unnoticed(narrow(&lost)).await;
    assert_ne!(lost.load(Ordering::Relaxed), 0, "nothing large was sent");
}
