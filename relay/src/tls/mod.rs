//! Certificates: where they come from, and how they change under open connections.

mod acme;
mod by_name;
mod check;
mod files;
mod handshake;
mod leaf;
mod self_signed;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use gantz_acme::TlsAlpn;
use gantz_shared::name::Name;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

use acme::Acme;
pub(crate) use acme::Surroundings;
use by_name::ByName;
pub(crate) use check::check;
use files::Watch;
pub(crate) use handshake::{Accepted, Acceptor, Begun, Elsewhere};
pub(crate) use leaf::Unfit;
pub(crate) use self_signed::LocalCa;

use crate::config::{Config, TlsConfig};
use crate::state::StateError;

/// The only place that chooses a crypto provider.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The certificate in use; replacing it does not touch open connections. Before the first one there is none, and no
/// handshake comes to an end.
#[derive(Debug)]
pub(crate) struct Current {
    key: ArcSwapOption<CertifiedKey>,
    /// Tries to get another one that have failed.
    failures: AtomicU64,
    /// Where names have certificates of their own.
    by_name: Option<ByName>,
}

impl Current {
    fn new(key: Option<Arc<CertifiedKey>>) -> Arc<Self> {
        Self::with(key, None)
    }

    fn with(key: Option<Arc<CertifiedKey>>, by_name: Option<ByName>) -> Arc<Self> {
        Arc::new(Self { key: ArcSwapOption::new(key), failures: AtomicU64::new(0), by_name })
    }

    /// A tunnel is open that holds `name`: there has to be a certificate for it.
    pub(crate) fn want(&self, name: &Name) {
        if let Some(by_name) = &self.by_name {
            by_name.want(name);
        }
    }

    fn is_by_name(&self) -> bool {
        self.by_name.is_some()
    }

    /// Waits while a certificate for `host` is being ordered.
    async fn ready(&self, host: &str) {
        if let Some(by_name) = &self.by_name {
            by_name.ready(host).await;
        }
    }

    /// What is wrong with certificates of names, if something is.
    pub(crate) fn warning(&self) -> Option<String> {
        self.by_name.as_ref()?.warning()
    }

    fn replace(&self, key: CertifiedKey) {
        self.put(Arc::new(key));
    }

    fn put(&self, key: Arc<CertifiedKey>) {
        self.key.store(Some(key));
    }

    /// When it expires; none before the first one. Names with certificates of their own do not count.
    pub(crate) fn expiry(&self) -> Option<OffsetDateTime> {
        self.key.load().as_ref()?.cert.first().and_then(leaf::expiry)
    }

    /// How often an order or a renewal has failed since the start.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed) + self.by_name.as_ref().map_or(0, ByName::failures)
    }

    fn failed(&self, times: u32) {
        self.failures.fetch_add(times.into(), Ordering::Relaxed);
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let by_name = self.by_name.as_ref();
        let own = by_name.and_then(|by_name| by_name.shown(hello.server_name()?));
        own.unwrap_or_else(|| self.key.load_full())
    }
}

/// What the configuration led to.
pub(crate) struct Certificates {
    /// What callers and agents are shown.
    pub(crate) current: Arc<Current>,
    /// What brings new ones.
    pub(crate) watch: Option<Upkeep>,
    /// Proofs that are shown in handshakes.
    pub(crate) tls_alpn: Option<TlsAlpn>,
    /// Proofs that are shown over plain HTTP.
    pub(crate) http: Option<gantz_acme::Http>,
    /// With a local CA: what agents and callers have to trust.
    pub(crate) ca: Option<LocalCa>,
}

impl Certificates {
    fn of(current: Arc<Current>, watch: Option<Upkeep>) -> Self {
        Self { current, watch, tls_alpn: None, http: None, ca: None }
    }
}

/// What brings new certificates.
pub(crate) enum Upkeep {
    /// With `--tls files`.
    Files(Watch),
    /// With `--tls acme`.
    Acme(Box<Acme>),
}

impl Upkeep {
    /// Replaces `current` whenever there is a new one. Never returns.
    pub(crate) async fn run(self, current: Arc<Current>, around: Surroundings) {
        match self {
            Self::Files(watch) => watch.run(current).await,
            Self::Acme(acme) => Box::pin(acme.run(current, around)).await,
        }
    }
}

/// Loads or makes the certificates.
pub(crate) fn load(config: &Config) -> Result<Certificates, TlsError> {
    match &config.tls {
        TlsConfig::SelfSigned | TlsConfig::Off => {
            let (ca, key) = LocalCa::load(config.state_dir.as_deref(), &config.domain)?;
            Ok(Certificates { ca: Some(ca), ..Certificates::of(Current::new(Some(Arc::new(key))), None) })
        }
        TlsConfig::Files { cert, key } => {
            let (watch, certified) = Watch::load(cert, key, leaf::Needs::of(config))?;
            let current = Current::new(Some(Arc::new(certified)));
            Ok(Certificates::of(current, Some(Upkeep::Files(watch))))
        }
        TlsConfig::Acme(settings) => {
            let (acme, current) = Acme::load(config, settings)?;
            let (tls_alpn, http) = acme.proofs();
            let certificates = Certificates::of(current, Some(Upkeep::Acme(Box::new(acme))));
            Ok(Certificates { tls_alpn, http, ..certificates })
        }
    }
}

/// TLS for `current`, with the ALPN protocols of the one who asks.
pub(crate) fn server_config(current: Arc<Current>, alpn: &[&[u8]]) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(current);
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// Why there is no usable certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The state folder does not do its part.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file cannot be read, or is not what it should be.
    #[error("{what} {}: {why}", path.display())]
    File {
        /// Which of the files.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A certificate that does not do for this relay.
    #[error("certificate {}: {why}", path.display())]
    Unfit {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        why: Unfit,
    },
    /// Certificates that are ordered have to be kept.
    #[error("certificates by ACME need a state folder")]
    NoStateFolder,
    /// What is kept of ACME cannot be used.
    #[error(transparent)]
    Acme(#[from] gantz_acme::OpenError),
    /// The relay's DNS server has no address.
    #[error("cannot listen on {address} (DNS): {source}")]
    Dns {
        /// Where it should be.
        address: SocketAddr,
        /// Why it cannot.
        source: io::Error,
    },
    /// The name that the DNS server should answer for is none.
    #[error(transparent)]
    Zone(#[from] gantz_acme::dns::BadName),
    /// Making a certificate failed.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// rustls does not take what there is.
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
}
