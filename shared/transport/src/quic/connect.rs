//! Why quinn does not connect.

use crate::ConnectError;

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
