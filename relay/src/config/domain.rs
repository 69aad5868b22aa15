//! The domain under which tunnels get their names.

use gantz_shared::authority;

/// A DNS name in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// Takes a domain as an operator writes it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = authority::parse(text)
            .map_err(|_| format!("`{text}` is not a DNS name; a domain such as relay.example.com"))?;
        if port.is_some() {
            return Err(format!("`{text}` has a port; the domain alone, and the port with --listen or --public-url"));
        }
        let host = host.as_str();
        if host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(format!("`{text}` is an address, and tunnels are names; a domain such as relay.example.com"));
        }
        // No certificate is issued for other characters, which DNS itself would take (RFC 5280 §4.2.1.6).
        let is_label = |label: &str| !label.starts_with('-') && !label.ends_with('-') && !label.contains('_');
        if !host.split('.').all(is_label) {
            return Err(format!("`{text}` is not a host name; a domain such as relay.example.com"));
        }
        Ok(Self(host.to_owned()))
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
