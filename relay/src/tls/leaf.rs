//! Whether a certificate does for this relay: it is valid today, and covers every name that callers and agents come by.
//! Asked before it is shown to anybody, because afterwards it is each of them who is refused.

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, DnsName, ServerName};
use rustls::server::ParsedCertificate;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::config::{Config, Routing};

/// Any name under the domain; only a wildcard covers one that nobody has listed.
const ANY_LABEL: &str = "any-name-of-a-tunnel";

/// How many of a certificate's names are told.
const TOLD: usize = 5;

/// Why it does not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// Its time has not come.
    #[error("it is not valid before {}, and it is {} now", minute(*.from), minute(*.now))]
    NotYetValid {
        /// When it comes.
        from: OffsetDateTime,
        /// What the clock said.
        now: OffsetDateTime,
    },
    /// Its time is over.
    #[error("it expired on {}, and it is {} now", minute(*.at), minute(*.now))]
    Expired {
        /// When that was.
        at: OffsetDateTime,
        /// What the clock said.
        now: OffsetDateTime,
    },
    /// It is for other hosts.
    #[error("it does not cover {}, {}", missing.join(" and "), only(presented))]
    Names {
        /// What it lacks.
        missing: Vec<String>,
        /// What it has.
        presented: Vec<String>,
    },
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

/// What a relay of some configuration needs.
#[derive(Debug, Clone)]
pub(super) struct Needs {
    domain: String,
    /// Tunnels have names under the domain.
    names: bool,
}

impl Needs {
    pub(super) fn of(config: &Config) -> Self {
        Self { domain: config.domain.as_str().to_owned(), names: config.routing == Routing::Names }
    }

    /// Whether `leaf` does at `now`.
    pub(super) fn check(&self, leaf: &CertificateDer<'_>, now: OffsetDateTime) -> Result<(), Unfit> {
        let unreadable = |error: &dyn std::fmt::Display| Unfit::Unreadable(error.to_string());
        let (_, x509) = X509Certificate::from_der(leaf).map_err(|error| unreadable(&error))?;
        let (from, at) = (x509.validity().not_before.to_datetime(), x509.validity().not_after.to_datetime());
        if now < from {
            return Err(Unfit::NotYetValid { from, now });
        }
        if now > at {
            return Err(Unfit::Expired { at, now });
        }
        let parsed = ParsedCertificate::try_from(leaf).map_err(|error| unreadable(&error))?;
        let mut wanted = vec![(self.domain.clone(), self.domain.clone())];
        if self.names {
            wanted.push((format!("*.{}", self.domain), format!("{ANY_LABEL}.{}", self.domain)));
        }
        let covers = |host: &str| {
            DnsName::try_from(host).is_ok_and(|host| verify_server_name(&parsed, &ServerName::DnsName(host)).is_ok())
        };
        let missing: Vec<_> = wanted.into_iter().filter(|(_, host)| !covers(host)).map(|(name, _)| name).collect();
        if missing.is_empty() { Ok(()) } else { Err(Unfit::Names { missing, presented: presented(&x509) }) }
    }
}

/// When `certificate` expires; none where it cannot be read.
pub(super) fn expiry(certificate: &CertificateDer<'_>) -> Option<OffsetDateTime> {
    let (_, x509) = X509Certificate::from_der(certificate).ok()?;
    Some(x509.validity().not_after.to_datetime())
}

fn presented(x509: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = x509.subject_alternative_name() else { return Vec::new() };
    let names = names.value.general_names.iter();
    names
        .filter_map(|name| if let GeneralName::DNSName(name) = name { Some((*name).to_owned()) } else { None })
        .collect()
}

fn only(presented: &[String]) -> String {
    match presented.len() {
        0 => "and names no host at all".to_owned(),
        count if count > TOLD => format!("only {} and {} more", presented[..TOLD].join(", "), count - TOLD),
        _ => format!("only {}", presented.join(", ")),
    }
}

fn minute(at: OffsetDateTime) -> String {
    format!("{} {:02}:{:02} UTC", at.date(), at.hour(), at.minute())
}
