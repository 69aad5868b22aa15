//! The one builder of every test: a relay, an agent and a local server, in this process, on ports of the system's
//! choice. A test reads as a story:
//!
//! ```no_run
//! # async fn story() {
//! let world = gantz_tests::relay().server(gantz_tests::echo()).start().await;
//! let answer = world.get("/mcp").bearer_auth(&world.token).send().await;
//! # }
//! ```
//!
//! Whatever fails while a world is set up panics: a test cannot go on without it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

pub mod bench;
pub mod binaries;
pub mod canary;
pub mod client;
pub mod link;
pub mod logs;
pub mod namespaces;
pub mod origin;
pub mod small_disk;
pub mod world;

pub use client::Raw;
pub use link::Link;
pub use origin::{Origin, echo};
pub use world::{Builder, DOMAIN, World, relay};

use std::time::Duration;

/// How long a test waits for something that has to come. Far longer than it takes: only a failure ever waits so long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A port number that is free for TCP and UDP, and outside the range from which systems choose ports by themselves: for
/// the few tests that need one number twice, which anybody's port 0 could take in between.
pub fn lasting_port() -> u16 {
    use rand::RngExt;
    for _ in 0..1000 {
        let port = rand::rng().random_range(10_000..30_000);
        let is_free = |address: &str| {
            std::net::TcpListener::bind((address, port)).is_ok() && std::net::UdpSocket::bind((address, port)).is_ok()
        };
        // Where there is no IPv6, there is nothing of it to be taken.
        let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
        if is_free("127.0.0.1") && (!has_ipv6 || is_free("::1")) {
            return port;
        }
    }
    panic!("no free port between 10000 and 30000");
}

/// Awaits `future`, or fails with `what` did not happen.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}
