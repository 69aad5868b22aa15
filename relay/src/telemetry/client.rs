//! HTTP to the collector, with deadlines and a limit to what is read. The exporter runs on a thread of its own, without a
//! runtime: the sending is a task of the relay's.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::limits::{CONNECT_DEADLINE, DEADLINE, MAX_ANSWER};
use super::losses::Losses;
use super::traces::TracesError;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Client {
    http: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    losses: Arc<Losses>,
}

impl Client {
    /// From within a runtime.
    pub(super) fn new(endpoint: &Uri, losses: Arc<Losses>) -> Result<Self, TracesError> {
        let mut roots = RootCertStore::empty();
        // A small image may have no certificate authorities, and needs none for a collector beside it.
        if endpoint.scheme() == Some(&Scheme::HTTPS) {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(TracesError::NoRoots);
            }
        }
        let tls = ClientConfig::builder_with_provider(crate::tls::provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_DEADLINE));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let http = HyperClient::builder(TokioExecutor::new()).build(connector.wrap_connector(tcp));
        Ok(Self { http, runtime: Handle::try_current()?, losses })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sending = async move {
            let (head, body) = http.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        // A timeout is made within the runtime, too.
        let sending = self.runtime.spawn(async { timeout(DEADLINE, sending).await });
        let sent = AbortOnDropHandle::new(sending).await;
        let answer = sent.map_err(HttpError::from).and_then(|sent| sent.map_err(HttpError::from).flatten());
        match &answer {
            Ok(answer) if !answer.status().is_success() => self.losses.failed(&Refused(answer.status())),
            Ok(_) => {}
            Err(error) => self.losses.failed(error.as_ref()),
        }
        answer
    }
}

/// The collector has answered, and not taken the spans.
#[derive(Debug, thiserror::Error)]
#[error("it answers {0}")]
struct Refused(http::StatusCode);
