//! Connections to the local server. One that refuses is tried again for a moment: a server that is being restarted is
//! back before its callers need to know. No byte of a request has left by then.

use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, sleep};
use tower_service::Service;

use crate::config::{UPSTREAM_CONNECT, UPSTREAM_HOLD, UPSTREAM_RETRY};

/// What a connection is made of. Boxed, so that one in clear has no room for TLS, which is some kilobytes.
pub(super) type Wire = Box<dyn ReadWrite>;

/// What can be read and written.
pub(super) trait ReadWrite: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> ReadWrite for T {}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Connector {
    inner: HttpsConnector<HttpConnector>,
    server: Uri,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct NotConnected(Box<dyn std::error::Error + Send + Sync>);

impl Connector {
    /// To the server that `server` begins with. HTTP/1.1 in either case: a connection to a server next door has nothing to
    /// gain from streams.
    pub(super) fn new(server: Uri) -> Result<Self, String> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(UPSTREAM_CONNECT));
        let mut roots = RootCertStore::empty();
        // The system's certificate authorities are megabytes that only https needs.
        if server.scheme() == Some(&Scheme::HTTPS) {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { inner: HttpsConnector::from((tcp, tls)), server })
    }

    /// Opens one.
    pub(super) async fn connect(&self) -> Result<Wire, NotConnected> {
        let mut inner = self.inner.clone();
        let give_up = Instant::now() + UPSTREAM_HOLD;
        loop {
            match inner.call(self.server.clone()).await {
                Err(_) if Instant::now() + UPSTREAM_RETRY < give_up => sleep(UPSTREAM_RETRY).await,
                Ok(MaybeHttpsStream::Http(plain)) => return Ok(Box::new(plain)),
                Ok(MaybeHttpsStream::Https(tls)) => return Ok(Box::new(tls)),
                Err(error) => return Err(NotConnected(error)),
            }
        }
    }
}
