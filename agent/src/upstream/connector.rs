//! Connections to the local server. One that refuses is tried again for a moment: a server that is being restarted is
//! back before its callers need to know. No byte of a request has left by then.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, sleep};
use tower_service::Service;

use crate::config::{UPSTREAM_CONNECT, UPSTREAM_HOLD, UPSTREAM_RETRY};

/// See the module's head.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    inner: HttpsConnector<HttpConnector>,
}

type Inner = HttpsConnector<HttpConnector>;

impl Connector {
    /// For a server of this scheme: the system's certificate authorities are megabytes that only https needs.
    pub(super) fn new(scheme: &Scheme) -> Result<Self, String> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(UPSTREAM_CONNECT));
        let mut roots = RootCertStore::empty();
        if *scheme == Scheme::HTTPS {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        Ok(Self { inner: https.enable_http1().enable_http2().wrap_connector(tcp) })
    }
}

impl Service<Uri> for Connector {
    type Response = <Inner as Service<Uri>>::Response;
    type Error = <Inner as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let mut inner = self.inner.clone();
        Box::pin(async move {
            let give_up = Instant::now() + UPSTREAM_HOLD;
            loop {
                match inner.call(uri.clone()).await {
                    Err(_) if Instant::now() + UPSTREAM_RETRY < give_up => sleep(UPSTREAM_RETRY).await,
                    result => return result,
                }
            }
        })
    }
}
