//! An open connection, whatever carries it: it opens and takes streams until it is lost.

use std::net::SocketAddr;
use std::time::Duration;

use gantz_shared::limits::IDLE_TIMEOUT;
use gantz_shared::reset::{CloseCode, StreamCode};

use crate::stream::{RecvHalf, SendHalf};
use crate::{RecvStream, SendStream, quic, tcp};

/// An open connection. Clones share it; it closes when the last one is dropped, and the last of its streams.
#[derive(Debug, Clone)]
pub struct Connection(Carrier);

#[derive(Debug, Clone)]
enum Carrier {
    Quic(quic::Link),
    Tcp(tcp::Link),
}

impl From<quic::Link> for Connection {
    fn from(link: quic::Link) -> Self {
        Self(Carrier::Quic(link))
    }
}

impl From<tcp::Link> for Connection {
    fn from(link: tcp::Link) -> Self {
        Self(Carrier::Tcp(link))
    }
}

impl Connection {
    /// Opens a bidirectional stream; waits while the peer grants none. Cancel-safe. The halves are reset with
    /// these codes when they are dropped unfinished. The agent opens one, its control stream; the relay any number.
    ///
    /// # Errors
    /// [`Lost`] when the connection is.
    pub async fn open(&self, dropped: Dropped) -> Result<(SendStream, RecvStream), Lost> {
        Ok(match &self.0 {
            Carrier::Quic(link) => {
                let (send, recv) = link.open().await?;
                halves(SendHalf::Quic(send), RecvHalf::Quic(recv), dropped)
            }
            Carrier::Tcp(link) => {
                let (send, recv) = link.open().await?;
                halves(SendHalf::Tcp(send), RecvHalf::Tcp(recv), dropped)
            }
        })
    }

    /// The next bidirectional stream that the peer opens. Cancel-safe. As for [`open`](Self::open).
    ///
    /// # Errors
    /// [`Lost`] when the connection is.
    pub async fn accept(&self, dropped: Dropped) -> Result<(SendStream, RecvStream), Lost> {
        Ok(match &self.0 {
            Carrier::Quic(link) => {
                let (send, recv) = link.accept().await?;
                halves(SendHalf::Quic(send), RecvHalf::Quic(recv), dropped)
            }
            Carrier::Tcp(link) => {
                let (send, recv) = link.accept().await?;
                halves(SendHalf::Tcp(send), RecvHalf::Tcp(recv), dropped)
            }
        })
    }

    /// Closes the connection at once; what is not yet delivered is lost. Whoever closed it first has said why.
    pub fn close(&self, code: CloseCode, reason: &str) {
        match &self.0 {
            Carrier::Quic(link) => link.close(code, reason),
            Carrier::Tcp(link) => link.close(code, reason),
        }
    }

    /// From now on the peer may have so many bytes under way that were not read, all streams together (RFC 9000 §4.1,
    /// RFC 9113 §5.2).
    pub fn set_receive_window(&self, bytes: u32) {
        match &self.0 {
            Carrier::Quic(link) => link.set_receive_window(bytes),
            Carrier::Tcp(link) => link.set_receive_window(bytes),
        }
    }

    /// Waits until the connection ends. Cancel-safe.
    pub async fn closed(&self) -> Lost {
        match &self.0 {
            Carrier::Quic(link) => link.closed().await,
            Carrier::Tcp(link) => link.closed().await,
        }
    }

    /// The peer's address now; over QUIC it changes when the peer moves (RFC 9000 §9).
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        match &self.0 {
            Carrier::Quic(link) => link.remote_address(),
            Carrier::Tcp(link) => link.remote_address(),
        }
    }

    /// Between which addresses its UDP packets go now; none over TCP.
    #[must_use]
    pub fn path(&self) -> Option<quic::Path> {
        match &self.0 {
            Carrier::Quic(link) => Some(link.path()),
            Carrier::Tcp(_) => None,
        }
    }

    /// What tells over QUIC whether the peer still answers; none over TCP. Takes the connection's lock.
    #[must_use]
    pub fn quic_heard(&self) -> Option<quic::Heard> {
        match &self.0 {
            Carrier::Quic(link) => Some(link.heard()),
            Carrier::Tcp(_) => None,
        }
    }

    /// For how long nothing has come over TCP, where the system acknowledges; none over QUIC. The agent asks for a sign of
    /// life every [`gantz_shared::limits::KEEP_ALIVE_INTERVAL`], so that there is one for either side.
    #[must_use]
    pub fn quiet_for(&self) -> Option<Duration> {
        match &self.0 {
            Carrier::Quic(_) => None,
            Carrier::Tcp(link) => Some(link.quiet_for()),
        }
    }

    /// What QUIC has counted since the connection began; none over TCP, where the system counts.
    #[must_use]
    pub fn quic_stats(&self) -> Option<quic::Stats> {
        match &self.0 {
            Carrier::Quic(link) => Some(link.stats()),
            Carrier::Tcp(_) => None,
        }
    }

    /// The round-trip time, where this side measures it: over QUIC both sides do and smooth it, over TCP only the
    /// agent, whose last keep-alive it is.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        match &self.0 {
            Carrier::Quic(link) => Some(link.rtt()),
            Carrier::Tcp(link) => link.rtt(),
        }
    }
}

fn halves(send: SendHalf, recv: RecvHalf, dropped: Dropped) -> (SendStream, RecvStream) {
    (SendStream::new(send, dropped.reset), RecvStream::new(recv, dropped.stop))
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
