//! Certificates by ACME.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Until the DNS server's port is tried again that somebody else has.
pub const DNS_LISTEN_RETRY: Duration = Duration::from_secs(2);

/// Names that may get their first certificate in 7 days, unless the operator says another number. Let's Encrypt issues 50
/// for one registered domain; some of them are left for what else is under it.
pub const NAMES_PER_WEEK: u32 = 40;

/// From which certificate authority, and how it is shown whose the domain is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeConfig {
    /// Address of its directory, https (RFC 8555 §7.1.1).
    pub directory: String,
    /// Where it may write to when something is wrong.
    pub email: Option<String>,
    /// PEM file of who vouches for its own server; `None`: the system's certificate authorities.
    pub ca: Option<PathBuf>,
    /// How it is shown whose the domain is.
    pub proof: AcmeProof,
}

/// How it is shown whose the domain is. The first two get one certificate for the domain and everything under it, by who
/// answers for `_acme-challenge` of it (RFC 8555 §8.4).
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
    /// The relay's own listeners, host by host: a certificate for the domain, and one for each name when its tunnel opens.
    ByName {
        /// Which listener.
        challenge: NameChallenge,
        /// Names that may get their first certificate in 7 days.
        names_per_week: u32,
    },
}

/// Where the certificate authority looks for the proof of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameChallenge {
    /// TLS-ALPN-01 (RFC 8737), in a handshake with the public's listener: port 443.
    TlsAlpn,
    /// HTTP-01 (RFC 8555 §8.3), over plain HTTP: port 80.
    Http,
}
