//! A real certificate authority, Pebble, which looks for the proofs at this crate's own DNS server, or at
//! pebble-challtestsrv, where a command has set them.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should fail where it stands"
)]

mod authority;
mod delegation;
mod failure;
mod front;
mod hook;
mod issuance;
mod keeper;
mod names;
mod renewal;
mod small_disk;

use std::time::Duration;

/// The domain of every test.
const DOMAIN: &str = "relay.example";

/// How long a test waits for something that has to come. Far longer than it takes: only a failure ever waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Awaits `future`, or fails with `what` did not happen.
async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}
