//! What a certificate is for.

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, DnsName, ServerName};
use rustls::server::ParsedCertificate;

use crate::certificate::BadCertificate;

/// Any name under the domain; only a wildcard covers one that nobody has listed.
const ANY_LABEL: &str = "any-name-of-a-tunnel";

/// What a certificate is for. Names are in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A domain and every name under it (`*`). Only DNS-01 proves that (RFC 8555 §7.1.3, RFC 8737 §3).
    Domain(String),
    /// One host.
    Host(String),
}

impl Subject {
    /// The domain, or the host.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Domain(host) | Self::Host(host) => host,
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::Domain(domain) => vec![domain.clone(), format!("*.{domain}")],
            Self::Host(host) => vec![host.clone()],
        }
    }

    /// Whether `leaf` is for all of it.
    pub(crate) fn check(&self, leaf: &CertificateDer<'_>) -> Result<(), BadCertificate> {
        let parsed =
            ParsedCertificate::try_from(leaf).map_err(|error| BadCertificate::Unreadable(error.to_string()))?;
        for name in self.names() {
            let host = name.replace('*', ANY_LABEL);
            let is_covered = DnsName::try_from(host.as_str())
                .is_ok_and(|host| verify_server_name(&parsed, &ServerName::DnsName(host)).is_ok());
            if !is_covered {
                return Err(BadCertificate::Name(name));
            }
        }
        Ok(())
    }
}
