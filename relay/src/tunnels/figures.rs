//! What QUIC has counted, of several connections together.

use std::ops::AddAssign;

use gantz_transport::quic::Stats;

/// See the module's head. None of them ever falls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) packets_sent: u64,
    pub(crate) packets_lost: u64,
    pub(crate) congestion_events: u64,
    /// From agents, in UDP datagrams.
    pub(crate) bytes_in: u64,
    /// To agents.
    pub(crate) bytes_out: u64,
}

impl Figures {
    /// Of each the greater.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            packets_sent: self.packets_sent.max(other.packets_sent),
            packets_lost: self.packets_lost.max(other.packets_lost),
            congestion_events: self.congestion_events.max(other.congestion_events),
            bytes_in: self.bytes_in.max(other.bytes_in),
            bytes_out: self.bytes_out.max(other.bytes_out),
        }
    }
}

impl AddAssign<Stats> for Figures {
    fn add_assign(&mut self, stats: Stats) {
        self.packets_sent += stats.packets_sent;
        self.packets_lost += stats.packets_lost;
        self.congestion_events += stats.congestion_events;
        self.bytes_in += stats.bytes_received;
        self.bytes_out += stats.bytes_sent;
    }
}
