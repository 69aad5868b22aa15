//! The tunnels that are open, and what QUIC says of their ways: looked up at a scrape.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::labels::{Direction, Transport};
use super::said::counter;
use crate::tunnels::{Figures, Greeter};

/// Of the round-trip times: the share of tunnels that have none longer, as it is told and in hundredths.
const QUANTILES: [(&str, usize); 4] = [("0.5", 50), ("0.9", 90), ("0.99", 99), ("1", 100)];

/// See the module's head.
pub(super) struct Tunnels {
    greeter: Arc<Greeter>,
    /// What was told last. A connection that ends sends a few packets more than were counted when its tunnel closed.
    told: Mutex<Figures>,
}

impl Tunnels {
    pub(super) fn new(greeter: Arc<Greeter>) -> Self {
        Self { greeter, told: Mutex::default() }
    }
}

impl Collector for Tunnels {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (open, mut figures) = self.greeter.roster.look();
        let (mut quic, mut tcp, mut trips) = (0_u64, 0_u64, Vec::with_capacity(open.len()));
        for tunnel in &open {
            match tunnel.quic() {
                Some(stats) => {
                    quic += 1;
                    trips.push(stats.rtt);
                    figures += stats;
                }
                None => tcp += 1,
            }
        }
        let figures = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            *told = told.max(figures);
            *told
        };

        let kind = MetricType::Gauge;
        let mut family = encoder.encode_descriptor("gantz_tunnels", "Open tunnels.", None, kind)?;
        for (transport, count) in [(Transport::Quic, quic), (Transport::Tcp, tcp)] {
            ConstGauge::new(count).encode(family.encode_family(&[("transport", transport.value())])?)?;
        }

        // A gauge must have no label `quantile`, and summaries are not in the library.
        let (name, help) = ("gantz_quic_rtt_seconds", "Smoothed round-trip times of the open QUIC tunnels.");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Unknown)?;
        trips.sort_unstable();
        for (quantile, hundredths) in QUANTILES {
            if let Some(trip) = at(&trips, hundredths) {
                ConstGauge::new(trip.as_secs_f64()).encode(family.encode_family(&[("quantile", quantile)])?)?;
            }
        }

        let packets = ("gantz_quic_packets_sent", "QUIC packets that were sent to agents.");
        counter(&mut encoder, packets, figures.packets_sent)?;
        let lost = ("gantz_quic_packets_lost", "Of these, packets that were taken for lost.");
        counter(&mut encoder, lost, figures.packets_lost)?;
        let events = ("gantz_quic_congestion_events", "Times that packets to agents were taken for lost, or marked.");
        counter(&mut encoder, events, figures.congestion_events)?;
        let (name, help) =
            ("gantz_quic_bytes", "Bytes in UDP datagrams of tunnels, from agents (in) and to them (out).");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (direction, bytes) in [(Direction::In, figures.bytes_in), (Direction::Out, figures.bytes_out)] {
            ConstCounter::new(bytes).encode(family.encode_family(&[("direction", direction.value())])?)?;
        }
        Ok(())
    }
}

/// The least of `sorted` that so many hundredths of them do not exceed.
fn at(sorted: &[Duration], hundredths: usize) -> Option<Duration> {
    let place = (sorted.len() * hundredths).div_ceil(100);
    sorted.get(place.checked_sub(1)?).copied()
}

impl fmt::Debug for Tunnels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnels").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_those_that_there_are() {
        let trips: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        let millis = |hundredths| at(&trips, hundredths).map(|trip| trip.as_millis());
        assert_eq!([50, 90, 99, 100].map(millis), [100, 180, 198, 200].map(Some));
        assert_eq!(at(&trips[..1], 50), Some(trips[0]));
        assert_eq!(at(&[], 99), None);
    }
}
