//! What there is to say of many durations.

use std::time::Duration;

use serde_json::{Value, json};

/// Of so many durations, nanoseconds, that were counted for `time`: how many, how many a second, and the milliseconds that
/// half of them, and 99 of 100, did not exceed.
pub fn summary(mut took: Vec<u32>, time: Duration) -> Value {
    took.sort_unstable();
    let percentile = |share: f64| took.get((took.len() as f64 * share) as usize).map(|nanos| f64::from(*nanos) / 1e6);
    let rate = took.len() as f64 / time.as_secs_f64();
    json!({ "count": took.len(), "rate": rate, "p50_ms": percentile(0.5), "p99_ms": percentile(0.99) })
}

/// Nanoseconds, as many as fit.
pub fn nanos(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos()).unwrap_or(u32::MAX)
}
