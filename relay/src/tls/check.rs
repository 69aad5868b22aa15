//! Whether [`load`](super::load) would find what it needs. Nothing is made or changed.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::files::Watch;
use super::{LocalCa, TlsError, acme, leaf};
use crate::config::{Config, TlsConfig};

/// What is there and does not do.
pub(crate) fn check(config: &Config) -> Result<(), TlsError> {
    match &config.tls {
        TlsConfig::SelfSigned | TlsConfig::Off => config.state_dir.as_deref().map_or(Ok(()), LocalCa::check),
        TlsConfig::Files { cert, key } => Watch::load(cert, key, leaf::Needs::of(config)).map(drop),
        TlsConfig::Acme(settings) => acme::check(config, settings),
    }
}

/// Whether this is the certificate of an authority in PEM, and its key.
pub(super) fn is_authority(pem: &str, key: &str) -> Result<(), String> {
    let ca = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string())?;
    let key = rcgen::KeyPair::from_pem(key).map_err(|error| error.to_string())?;
    rcgen::Issuer::from_ca_cert_der(&ca, key).map(drop).map_err(|error| error.to_string())
}
