//! Certificates: where they come from, and how they change under open connections.

mod acme;
mod files;
mod leaf;
mod self_signed;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use acme::Acme;
use files::Watch;
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
pub(crate) struct Current(ArcSwapOption<CertifiedKey>);

impl Current {
    fn new(key: Option<Arc<CertifiedKey>>) -> Arc<Self> {
        Arc::new(Self(ArcSwapOption::new(key)))
    }

    fn replace(&self, key: CertifiedKey) {
        self.put(Arc::new(key));
    }

    fn put(&self, key: Arc<CertifiedKey>) {
        self.0.store(Some(key));
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

/// What the configuration led to.
pub(crate) struct Certificates {
    /// What callers and agents are shown.
    pub(crate) current: Arc<Current>,
    /// What brings new ones.
    pub(crate) watch: Option<Upkeep>,
    /// With a local CA: what agents and callers have to trust.
    pub(crate) ca: Option<LocalCa>,
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
    pub(crate) async fn run(self, current: Arc<Current>) {
        match self {
            Self::Files(watch) => watch.run(current).await,
            Self::Acme(acme) => Box::pin(acme.run(current)).await,
        }
    }
}

/// Loads or makes the certificates.
pub(crate) fn load(config: &Config) -> Result<Certificates, TlsError> {
    match &config.tls {
        TlsConfig::SelfSigned | TlsConfig::Off => {
            let (ca, key) = LocalCa::load(config.state_dir.as_deref(), &config.domain)?;
            Ok(Certificates { current: Current::new(Some(Arc::new(key))), watch: None, ca: Some(ca) })
        }
        TlsConfig::Files { cert, key } => {
            let (watch, certified) = Watch::load(cert, key, leaf::Needs::of(config))?;
            let current = Current::new(Some(Arc::new(certified)));
            Ok(Certificates { current, watch: Some(Upkeep::Files(watch)), ca: None })
        }
        TlsConfig::Acme(settings) => {
            let (acme, key) = Acme::load(config, settings)?;
            Ok(Certificates { current: Current::new(key), watch: Some(Upkeep::Acme(Box::new(acme))), ca: None })
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
