//! What a connection of QUIC has counted.

use std::time::Duration;

/// See [`crate::Connection::quic_stats`]. All but the first only rise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The smoothed round-trip time of its path now (RFC 9002 §5.3).
    pub rtt: Duration,
    /// Packets that were sent.
    pub packets_sent: u64,
    /// Of these, packets that were taken for lost (RFC 9002 §6.1).
    pub packets_lost: u64,
    /// Times that packets were taken for lost, or marked (RFC 9002 §7); not all of them are taken for congestion.
    pub congestion_events: u64,
    /// Bytes in UDP datagrams that were sent.
    pub bytes_sent: u64,
    /// Bytes in UDP datagrams that have come.
    pub bytes_received: u64,
}
