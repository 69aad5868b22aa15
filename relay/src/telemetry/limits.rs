//! How much exporting may take up, and for how long.

use std::time::Duration;

/// Spans that wait for the collector; more are lost.
pub(super) const QUEUE: usize = 2_048;

/// Of these, how many go out at once.
pub(super) const BATCH: usize = 512;

/// How long a span waits for others to go out with.
pub(super) const DELAY: Duration = Duration::from_secs(2);

/// How long the collector may take for a batch.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// Of this, to take the connection.
pub(super) const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// Bytes of the collector's answer that are read.
pub(super) const MAX_ANSWER: usize = 64 << 10;

/// How often it is said, at most, that spans are lost.
pub(super) const COMPLAINTS: Duration = Duration::from_secs(60);

/// How long the last spans may take when the relay ends.
pub(super) const LAST_SPANS: Duration = Duration::from_secs(2);
