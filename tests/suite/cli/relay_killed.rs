//! A relay that is killed and started again: its agents hear of it by their next keep-alive, and not only when they have
//! given the old one up.

use std::time::{Duration, Instant};

use gantz_shared::limits::{IDLE_TIMEOUT, KEEP_ALIVE_INTERVAL};

use crate::relay_process::RelayProcess;

#[tokio::test]
async fn agents_come_back_to_a_relay_that_was_killed_with_their_next_keep_alive() {
    let relay = RelayProcess::start().await;
    let mut running = relay.run("--demo --auth").start();
    let url = running.stdout.line("Tunnel URL:").await;
    let (port, folder) = relay.kill().await;
    let relay = RelayProcess::start_again(port, folder).await;
    let started = Instant::now();
    let line = tokio::time::timeout(IDLE_TIMEOUT * 2, running.stderr.line("reconnected")).await.expect("it is back");
    let took = started.elapsed();
    // A pause before the first try, and room for a machine that is busy with other tests.
    assert!(took < KEEP_ALIVE_INTERVAL + Duration::from_secs(10), "{took:?}");
    assert!(url.contains(line.trim().trim_start_matches("reconnected: ")), "{url} {line}");
    drop(relay);
}
