//! Why a connection does not come about.

use gantz_shared::limits::{ALPN, HANDSHAKE_DEADLINE};

/// Why a connection did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nothing came back over UDP.
    #[error("no answer over UDP within {} s", HANDSHAKE_DEADLINE.as_secs())]
    Timeout,
    /// Nothing came back over TCP, or not all of a handshake.
    #[error("no answer over TCP within {} s", HANDSHAKE_DEADLINE.as_secs())]
    TcpTimeout,
    /// The certificate is not one that this side believes.
    #[error("certificate not accepted: {0}")]
    Certificate(String),
    /// The peer is there, but does not speak `gantz/1` over this transport.
    #[error("the peer does not speak {}", String::from_utf8_lossy(ALPN))]
    Protocol,
    /// The peer does not take connections now.
    #[error("connection refused by the peer")]
    Refused,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}
