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

pub mod binaries;
pub mod client;
pub mod origin;
pub mod world;

pub use client::Raw;
pub use origin::{Origin, echo};
pub use world::{Builder, DOMAIN, World, relay};

use std::time::Duration;

/// How long a test waits for something that has to come. Far longer than it takes: only a failure ever waits so long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Awaits `future`, or fails with `what` did not happen.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}
