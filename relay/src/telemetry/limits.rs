//! How much exporting may take up, and for how long.

use std::time::Duration;

use gantz_shared::rate::Rate;

/// Spans that wait for the collector, those on their way to it included; more are lost.
pub(super) const QUEUE: usize = 2_048;

/// Of these, how many go out at once.
pub(super) const BATCH: usize = 512;

/// How long a span waits for others to go out with.
pub(super) const DELAY: Duration = Duration::from_secs(2);

/// How many requests may have a span because their callers say so: anybody can. Over it they are as others are, of which
/// a share has one.
pub(super) const SAID_BY_CALLERS: Rate = Rate::per_second(100, 1_000);

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

/// Attributes of a span: more than it ever has.
pub(super) const MAX_ATTRIBUTES: u32 = 16;

/// Bytes that a head has beside its target and the caller's fields, at most, with a `traceparent` that is added.
pub(super) const HEAD_BESIDES: usize = 1 << 10;
