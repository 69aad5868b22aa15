//! The zone: one name, and who answers for it.

use hickory_proto::rr::Name;

/// The label that RFC 8555 §8.4 puts before a domain.
pub(crate) const CHALLENGE_LABEL: &str = "_acme-challenge";

/// A name in DNS that this server has authority over, and that has nothing below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    pub(super) apex: Name,
    pub(super) nameserver: Name,
}

/// Text that is no name in DNS.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{name}` is not a name in DNS: {why}")]
pub struct BadName {
    name: String,
    why: String,
}

impl Zone {
    /// `_acme-challenge.DOMAIN`, answered by DOMAIN itself: what an NS record `_acme-challenge.DOMAIN NS DOMAIN` leads to.
    ///
    /// # Errors
    /// [`BadName`]
    pub fn of_domain(domain: &str) -> Result<Self, BadName> {
        Self::new(&format!("{CHALLENGE_LABEL}.{domain}"), domain)
    }

    /// Another name, answered by `nameserver`: what a CNAME record `_acme-challenge.DOMAIN CNAME APEX` leads to, where
    /// APEX has an NS record that says `nameserver`.
    ///
    /// # Errors
    /// [`BadName`]
    pub fn new(apex: &str, nameserver: &str) -> Result<Self, BadName> {
        Ok(Self { apex: absolute(apex)?, nameserver: absolute(nameserver)? })
    }
}

fn absolute(text: &str) -> Result<Name, BadName> {
    let bad = |why: String| BadName { name: text.to_owned(), why };
    let mut name = Name::from_ascii(text).map_err(|error| bad(error.to_string()))?;
    if name.is_root() {
        return Err(bad("it is the root".into()));
    }
    name.set_fqdn(true);
    Ok(name)
}
