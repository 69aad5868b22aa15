//! Families whose figures are looked up when they are asked for.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// What a family is called, and what it is, with a full stop.
pub(super) type Title = (&'static str, &'static str);

/// One value that can also fall.
pub(super) fn gauge(to: &mut DescriptorEncoder<'_>, (name, help): Title, value: impl EncodeGaugeValue) -> fmt::Result {
    ConstGauge::new(value).encode(to.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

/// One value that only rises.
pub(super) fn counter(
    to: &mut DescriptorEncoder<'_>,
    (name, help): Title,
    value: impl EncodeCounterValue,
) -> fmt::Result {
    ConstCounter::new(value).encode(to.encode_descriptor(name, help, None, MetricType::Counter)?)
}
