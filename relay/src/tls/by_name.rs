//! Names with certificates of their own, where there is none for all of them.

use std::fmt;
use std::sync::Arc;

use gantz_acme::Names;
use gantz_shared::name::Name;
use rustls::sign::CertifiedKey;

/// The certificates of the names under a domain.
pub(crate) struct ByName {
    domain: String,
    names: Names,
}

impl ByName {
    pub(super) fn new(domain: &str, names: Names) -> Self {
        Self { domain: domain.to_owned(), names }
    }

    /// A tunnel is open that holds `name`.
    pub(super) fn want(&self, name: &Name) {
        self.names.want(&format!("{name}.{}", self.domain));
    }

    /// What is shown to whoever comes for `host`: `None` where the relay's own certificate is for that, too.
    pub(super) fn shown(&self, host: &str) -> Option<Option<Arc<CertifiedKey>>> {
        let host = host.to_ascii_lowercase();
        let is_under = label(&host, &self.domain).is_some();
        is_under.then(|| self.names.certificate(&host))
    }

    /// Waits while a certificate for `host` is being ordered.
    pub(super) async fn ready(&self, host: &str) {
        self.names.ready(&host.to_ascii_lowercase()).await;
    }

    pub(super) fn failures(&self) -> u64 {
        self.names.failures()
    }

    pub(super) fn warning(&self) -> Option<String> {
        let (count, why) = self.names.without();
        let tunnels = if count == 1 { "1 open tunnel has" } else { "open tunnels have" };
        let count = if count == 1 { String::new() } else { format!("{count} ") };
        why.map(|why| format!("{count}{tunnels} no certificate: {why}"))
    }
}

/// What stands before `.domain`, whatever it is. Both are in lower case.
pub(super) fn label<'a>(host: &'a str, domain: &str) -> Option<&'a str> {
    host.strip_suffix(domain)?.strip_suffix('.')
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByName").field("domain", &self.domain).finish_non_exhaustive()
    }
}
