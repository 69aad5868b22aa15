//! Certificates by ACME.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Until the DNS server's port is tried again that somebody else has.
pub const DNS_LISTEN_RETRY: Duration = Duration::from_secs(2);

/// From which certificate authority, and how it is shown whose the domain is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeConfig {
    /// Address of its directory, https (RFC 8555 §7.1.1).
    pub directory: String,
    /// Where it may write to when something is wrong.
    pub email: Option<String>,
    /// PEM file of who vouches for its own server; `None`: the system's certificate authorities.
    pub ca: Option<PathBuf>,
    /// Who answers for `_acme-challenge` of the domain.
    pub proof: AcmeProof,
}

/// Who answers for `_acme-challenge` of the domain (RFC 8555 §8.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcmeProof {
    /// The relay, to which the name is delegated.
    Dns {
        /// Address of its DNS server, UDP and TCP; for the public it is port 53.
        listen: SocketAddr,
        /// What a CNAME record of the name leads to; `None`: the name itself has an NS record.
        zone: Option<String>,
    },
    /// A DNS provider: this command sets and removes records there, see [`gantz_acme::Hook`].
    Hook(PathBuf),
}
