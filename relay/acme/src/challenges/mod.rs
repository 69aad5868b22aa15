//! Proofs that a relay shows by itself where the certificate authority looks for them: in a TLS handshake, or over plain
//! HTTP. Both are for one host each; there is nothing to be seen of a host whose challenge is not open.

mod http;
mod open;
mod tls_alpn;

pub use http::{HTTP_PATH, Http};
pub(crate) use open::Shown;
pub use tls_alpn::{ACME_TLS_ALPN, TlsAlpn};
