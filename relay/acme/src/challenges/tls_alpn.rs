//! TLS-ALPN-01 (RFC 8737): the certificate authority shakes hands on port 443, asks for `acme-tls/1` alone, and is shown a
//! certificate that nobody else would take, with the proof in it.

use std::sync::Arc;

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::open::{Open, Shown};
use crate::order::provider;

/// The protocol of the handshake, RFC 8737 §6.2. Nothing is said in it.
pub const ACME_TLS_ALPN: &[u8] = b"acme-tls/1";

/// The challenges that are open, by host. Clones are of the same ones.
#[derive(Debug, Clone, Default)]
pub struct TlsAlpn(Open<Arc<CertifiedKey>>);

impl TlsAlpn {
    /// How to shake hands with whoever offers [`ACME_TLS_ALPN`] and nothing else. Without an open challenge for the host
    /// there is no certificate, and the handshake fails. Afterwards the connection has to be closed (RFC 8737 §3).
    ///
    /// # Errors
    /// Whatever rustls does not take.
    pub fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![ACME_TLS_ALPN.to_vec()];
        // A proof is looked at once.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(config)
    }

    /// Whether a handshake is one for a proof (RFC 8737 §3: its protocol, and no other).
    #[must_use]
    pub fn is_asked(hello: &ClientHello<'_>) -> bool {
        hello.alpn().is_some_and(|protocols| protocols.eq([ACME_TLS_ALPN]))
    }

    /// Shows the SHA-256 of a key authorization.
    pub(crate) fn show(&self, host: &str, digest: &[u8]) -> Result<Shown, String> {
        let key = certificate(host, digest).map_err(|error| error.to_string())?;
        Ok(self.0.show(host, Arc::new(key)))
    }
}

impl ResolvesServerCert for TlsAlpn {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.ask(&hello.server_name()?.to_ascii_lowercase())
    }
}

/// For one host, signed by itself, and critical where others would have to understand it.
fn certificate(host: &str, digest: &[u8]) -> Result<CertifiedKey, Box<dyn std::error::Error>> {
    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let private = provider().key_provider.load_private_key(PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
    // Not `from_der`: it would look into the certificate, and refuse what is critical in it and unknown to it.
    Ok(CertifiedKey::new(vec![certificate.der().clone()], private))
}
