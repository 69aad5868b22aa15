//! The one place that decides which runtime drives what.
//!
//! A relay runs on one current-thread runtime, and so does an agent: a QUIC connection's driver and the requests it
//! carries then never wake each other across threads, which was measured to be about three times as fast as two workers
//! sharing one connection. Scaling over cores means more such runtimes, not more workers in one.

use std::io;

/// The runtime of a relay or an agent.
///
/// # Errors
/// What the system reports when it cannot give an event queue or a thread.
pub fn build() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
