//! Clients: reqwest for what clients do, raw bytes for what they should not.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use gantz_relay::Relay;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::within;

/// TLS as a caller that trusts the relay's CA.
pub fn tls(relay: &Relay, alpn: &[&[u8]]) -> ClientConfig {
    trusting(relay.ca_pem().unwrap(), alpn)
}

/// TLS as a caller that trusts the authorities in `pem`, and nobody else.
pub fn trusting(pem: &str, alpn: &[&[u8]]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}

/// A reqwest client for `host` at `relay`. No redirects: what was answered is what is looked at.
pub fn reqwest(relay: &Relay, host: &str, http1: bool) -> reqwest::Client {
    let alpn: &[&[u8]] = if http1 { &[b"http/1.1"] } else { &[b"h2", b"http/1.1"] };
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(relay, alpn))
        .resolve(host, relay.edge_addr())
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    if http1 {
        builder = builder.http1_only();
    }
    builder.build().unwrap()
}

/// Any byte stream.
pub trait Io: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

/// A connection that says exactly what it is told.
pub struct Raw {
    io: Pin<Box<dyn Io>>,
    seen: Vec<u8>,
}

impl Raw {
    /// TLS to the edge with `host` as SNI, HTTP/1.1; plain TCP where the edge has no TLS.
    pub async fn connect(relay: &Relay, host: &str) -> Self {
        Self::over_tls(relay, host, &[b"http/1.1"]).await
    }

    /// TLS with an ALPN of one's own.
    pub async fn over_tls(relay: &Relay, host: &str, alpn: &[&[u8]]) -> Self {
        let tcp = TcpStream::connect(relay.edge_addr()).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::new(tls(relay, alpn))).connect(name, tcp).await.unwrap();
        Self { io: Box::pin(stream), seen: Vec::new() }
    }

    /// Plain TCP.
    pub async fn plain(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        Self { io: Box::pin(tcp), seen: Vec::new() }
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.unwrap();
        self.io.flush().await.unwrap();
    }

    /// Reads until what came since the last call ends a part that contains `marker`; returns that part, marker
    /// included. What came after it is kept.
    pub async fn until(&mut self, marker: &str) -> String {
        loop {
            let marker = marker.as_bytes();
            if let Some(at) = self.seen.windows(marker.len()).position(|window| window == marker) {
                let rest = self.seen.split_off(at + marker.len());
                let part = std::mem::replace(&mut self.seen, rest);
                return String::from_utf8_lossy(&part).into_owned();
            }
            let read = within("more bytes", self.io.read_buf(&mut self.seen)).await.unwrap_or(0);
            assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&self.seen));
        }
    }

    /// Reads to the end of the connection, however it ends. `true` with what came when the end was clean.
    pub async fn to_end(&mut self) -> (bool, Vec<u8>) {
        loop {
            match within("the end", self.io.read_buf(&mut self.seen)).await {
                Ok(0) => return (true, std::mem::take(&mut self.seen)),
                Ok(_) => {}
                Err(_) => return (false, std::mem::take(&mut self.seen)),
            }
        }
    }
}
