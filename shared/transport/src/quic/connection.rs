//! An open connection: it opens and takes streams until it is lost.

use std::net::SocketAddr;
use std::time::Duration;

use gantz_shared::limits::IDLE_TIMEOUT;
use gantz_shared::reset::{CloseCode, StreamCode};
use quinn::VarInt;

use super::{RecvStream, SendStream};
/// An open connection. Clones share it; it closes when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Connection(pub(super) quinn::Connection);

impl Connection {
    /// Opens a bidirectional stream; waits while the peer grants none. Cancel-safe. The halves are reset with
    /// these codes when they are dropped unfinished.
    ///
    /// # Errors
    /// [`Lost`] when the connection is.
    pub async fn open(&self, dropped: Dropped) -> Result<(SendStream, RecvStream), Lost> {
        let (send, recv) = self.0.open_bi().await.map_err(Lost::from)?;
        Ok((SendStream::new(send, dropped.reset), RecvStream::new(recv, dropped.stop)))
    }

    /// The next bidirectional stream that the peer opens. Cancel-safe. As for [`open`](Self::open).
    ///
    /// # Errors
    /// [`Lost`] when the connection is.
    pub async fn accept(&self, dropped: Dropped) -> Result<(SendStream, RecvStream), Lost> {
        let (send, recv) = self.0.accept_bi().await.map_err(Lost::from)?;
        Ok((SendStream::new(send, dropped.reset), RecvStream::new(recv, dropped.stop)))
    }

    /// Closes the connection at once; what is not yet delivered is lost.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.0.close(VarInt::from_u32(code.code()), reason.as_bytes());
    }

    /// From now on the peer may have so many bytes under way that were not read, all streams together (RFC 9000 §4.1).
    pub fn set_receive_window(&self, bytes: u32) {
        self.0.set_receive_window(VarInt::from_u32(bytes));
    }

    /// Waits until the connection ends. Cancel-safe.
    pub async fn closed(&self) -> Lost {
        Lost::from(self.0.closed().await)
    }

    /// The peer's address now; it changes when the peer moves (RFC 9000 §9).
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.0.remote_address()
    }

    /// The smoothed round-trip time.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        self.0.rtt()
    }
}

/// What the peer is told when a half of a stream is dropped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// The sending half is reset with this.
    pub reset: StreamCode,
    /// The receiving half is stopped with this.
    pub stop: StreamCode,
}

impl Dropped {
    /// A control stream: nothing but the tunnel's end drops it.
    pub const CONTROL: Self = Self { reset: StreamCode::Dropped, stop: StreamCode::Dropped };
    /// A request stream at the relay: the caller went away.
    pub const CALLER: Self = Self { reset: StreamCode::Cancelled, stop: StreamCode::Cancelled };
    /// A request stream at the agent: the local server broke off, or needs no more of the body.
    pub const UPSTREAM: Self = Self { reset: StreamCode::UpstreamLost, stop: StreamCode::NotNeeded };
}

/// The peer's words; where it has none, its code.
fn words(code: Option<CloseCode>, reason: &str) -> String {
    match code {
        _ if !reason.is_empty() => format!(": {reason}"),
        Some(code) => format!(": {code:?}"),
        None => String::new(),
    }
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// The peer closed it.
    #[error("closed by the peer{}", words(*code, reason))]
    Closed {
        /// The peer's code, where this version knows it.
        code: Option<CloseCode>,
        /// The peer's words.
        reason: String,
    },
    /// This side closed it.
    #[error("closed here")]
    Here,
    /// The peer fell silent.
    #[error("silent for {} s", IDLE_TIMEOUT.as_secs())]
    Silent,
    /// Anything else.
    #[error("{0}")]
    Broken(String),
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
