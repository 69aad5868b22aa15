//! A histogram of durations, of atomics: the library's own takes a lock for each observation.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Upper bounds, microseconds: from what a local server answers at once to what a tool takes that somebody waits for.
const BOUNDS: [u64; 17] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
];

const MICROS: f64 = 1_000_000.0;

/// See the module's head. A clone is another handle of the same histogram.
#[derive(Debug, Clone, Default)]
pub(crate) struct Durations(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The last one is what is over every bound.
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// Microseconds, all together: enough for half a million years.
    sum: AtomicU64,
}

impl Durations {
    pub(crate) fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS.partition_point(|bound| *bound < micros);
        self.0.counts[place].fetch_add(1, Ordering::Relaxed);
        self.0.sum.fetch_add(micros, Ordering::Relaxed);
    }
}

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = BOUNDS.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
        let counts = self.0.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        // Of what was just read, so that it is what the last bucket says, whoever counts meanwhile.
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = seconds(self.0.sum.load(Ordering::Relaxed));
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[expect(clippy::cast_precision_loss, reason = "a sum of centuries may lose a microsecond")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / MICROS
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn each_is_in_the_first_bucket_that_takes_it() {
        let durations = Durations::default();
        for micros in [0, 1_000, 1_001, 300_000_000, 300_000_001] {
            durations.observe(Duration::from_micros(micros));
        }
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register("d_seconds", "D", durations);
        encode(&mut text, &registry).unwrap();
        for line in [
            "d_seconds_bucket{le=\"0.001\"} 2",
            "d_seconds_bucket{le=\"0.0025\"} 3",
            "d_seconds_bucket{le=\"300.0\"} 4",
            "d_seconds_bucket{le=\"+Inf\"} 5",
            "d_seconds_count 5",
            "d_seconds_sum 600.002002",
        ] {
            assert!(text.lines().any(|said| said == line), "{line}\n{text}");
        }
    }
}
