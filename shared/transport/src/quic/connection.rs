//! A connection of quinn's.

use std::net::SocketAddr;
use std::time::Duration;

use gantz_shared::reset::CloseCode;
use quinn::VarInt;

use super::granted::Granted;
use super::{RecvHalf, SendHalf};
use crate::Lost;

/// See [`crate::Connection`], whose functions these are.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    connection: quinn::Connection,
    /// Where the peer opens many streams; otherwise the handshake has granted them all.
    granted: Option<Granted>,
}

impl Link {
    pub(super) fn new(connection: quinn::Connection, granted: Option<Granted>) -> Self {
        Self { connection, granted }
    }

    pub(crate) async fn open(&self) -> Result<(SendHalf, RecvHalf), Lost> {
        let (send, recv) = self.connection.open_bi().await.map_err(Lost::from)?;
        Ok((SendHalf::new(send, None), RecvHalf(recv)))
    }

    pub(crate) async fn accept(&self) -> Result<(SendHalf, RecvHalf), Lost> {
        let (send, recv) = self.connection.accept_bi().await.map_err(Lost::from)?;
        let taken = self.granted.as_ref().map(|granted| granted.take(&self.connection));
        Ok((SendHalf::new(send, taken), RecvHalf(recv)))
    }

    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        self.connection.close(VarInt::from_u32(code.code()), reason.as_bytes());
    }

    pub(crate) fn set_receive_window(&self, bytes: u32) {
        self.connection.set_receive_window(VarInt::from_u32(bytes));
    }

    pub(crate) async fn closed(&self) -> Lost {
        Lost::from(self.connection.closed().await)
    }

    pub(crate) fn remote_address(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    pub(crate) fn heard(&self) -> super::Heard {
        let stats = self.connection.stats();
        let sent = stats.frame_tx;
        let asked = sent.stream
            + sent.ping
            + sent.reset_stream
            + sent.stop_sending
            + sent.max_data
            + sent.max_stream_data
            + sent.max_streams_bidi;
        super::Heard { acknowledgements: stats.frame_rx.acks, asked }
    }

    pub(crate) fn stats(&self) -> super::Stats {
        let stats = self.connection.stats();
        super::Stats {
            rtt: stats.path.rtt,
            packets_sent: stats.path.sent_packets,
            packets_lost: stats.path.lost_packets,
            congestion_events: stats.path.congestion_events,
            bytes_sent: stats.udp_tx.bytes,
            bytes_received: stats.udp_rx.bytes,
        }
    }

    pub(crate) fn path(&self) -> super::Path {
        (self.connection.remote_address(), self.connection.local_ip())
    }

    pub(crate) fn rtt(&self) -> Duration {
        self.connection.rtt()
    }
}

impl From<quinn::ConnectionError> for Lost {
    fn from(error: quinn::ConnectionError) -> Self {
        use quinn::ConnectionError as E;
        match error {
            E::ApplicationClosed(close) => Self::Closed {
                code: CloseCode::from_code(close.error_code.into_inner()),
                reason: String::from_utf8_lossy(&close.reason).into_owned(),
            },
            E::LocallyClosed => Self::Here,
            E::TimedOut => Self::Silent,
            other => Self::Broken(other.to_string()),
        }
    }
}
