//! Certificates: where they come from, and how they change under open connections.

mod files;
mod leaf;
mod self_signed;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

pub(crate) use files::Watch;
pub(crate) use leaf::Unfit;
pub(crate) use self_signed::LocalCa;

use crate::config::{Config, TlsConfig};
use crate::state::StateError;

/// The only place that chooses a crypto provider.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The certificate in use; replacing it does not touch open connections.
#[derive(Debug)]
pub(crate) struct Current(ArcSwap<CertifiedKey>);

impl Current {
    fn new(key: CertifiedKey) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(key)))
    }

    fn replace(&self, key: CertifiedKey) {
        self.0.store(Arc::new(key));
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// What the configuration led to.
pub(crate) struct Certificates {
    /// What callers and agents are shown.
    pub(crate) current: Arc<Current>,
    /// With `--tls files`: what looks after the files.
    pub(crate) watch: Option<Watch>,
    /// With a local CA: what agents and callers have to trust.
    pub(crate) ca: Option<LocalCa>,
}

/// Loads or makes the certificates.
pub(crate) fn load(config: &Config) -> Result<Certificates, TlsError> {
    match &config.tls {
        TlsConfig::SelfSigned | TlsConfig::Off => {
            let (ca, key) = LocalCa::load(config.state_dir.as_deref(), &config.domain)?;
            Ok(Certificates { current: Current::new(key), watch: None, ca: Some(ca) })
        }
        TlsConfig::Files { cert, key } => {
            let (watch, certified) = Watch::load(cert, key, leaf::Needs::of(config))?;
            Ok(Certificates { current: Current::new(certified), watch: Some(watch), ca: None })
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
    /// Making a certificate failed.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// rustls does not take what there is.
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
}
