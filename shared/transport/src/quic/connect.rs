//! Why a connection does not come about.

use gantz_shared::limits::{ALPN, HANDSHAKE_DEADLINE};

/// Why a connection did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nothing came back.
    #[error("no answer over UDP within {} s", HANDSHAKE_DEADLINE.as_secs())]
    Timeout,
    /// The certificate is not one that this side believes.
    #[error("certificate not accepted: {0}")]
    Certificate(String),
    /// The peer speaks QUIC, but not `gantz/1`.
    #[error("the peer does not speak {}", String::from_utf8_lossy(ALPN))]
    Protocol,
    /// The peer does not take connections now.
    #[error("connection refused by the peer")]
    Refused,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// TLS alert `no_application_protocol` as a QUIC error code (RFC 9001 §4.8, RFC 7301 §3.2).
const NO_APPLICATION_PROTOCOL: u64 = 0x100 + 120;
/// QUIC `CONNECTION_REFUSED` (RFC 9000 §20.1).
const CONNECTION_REFUSED: u64 = 0x2;

impl From<quinn::ConnectionError> for ConnectError {
    fn from(error: quinn::ConnectionError) -> Self {
        use quinn::ConnectionError as E;
        let (code, text) = match &error {
            E::TimedOut => return Self::Timeout,
            E::VersionMismatch => return Self::Protocol,
            E::TransportError(inner) => (u64::from(inner.code), inner.reason.clone()),
            E::ConnectionClosed(frame) => {
                (u64::from(frame.error_code), String::from_utf8_lossy(&frame.reason).into_owned())
            }
            _ => return Self::Other(error.to_string()),
        };
        match code {
            NO_APPLICATION_PROTOCOL => Self::Protocol,
            CONNECTION_REFUSED => Self::Refused,
            0x100..=0x1ff => Self::Certificate(text),
            _ => Self::Other(error.to_string()),
        }
    }
}
