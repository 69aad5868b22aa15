//! A server in front of a real Pebble, for what that one cannot do: tell when to renew (RFC 9773), and turn away who has
//! asked too often. Everything else goes through, both ways.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use gantz_acme::Trust;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::authority::{Own, Pebble, directory, local};

/// When it says that a certificate is to be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    Past,
    Future,
}

type Upstream = Client<hyper_rustls::HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>, Full<Bytes>>;

struct Inner {
    upstream: Upstream,
    pebble: String,
    own: String,
    renewal: Mutex<Renewal>,
    replaced: watch::Sender<Option<String>>,
    turned_away: Mutex<Option<Duration>>,
    orders: Mutex<Vec<Instant>>,
}

/// See the module's head.
pub(crate) struct Front {
    inner: Arc<Inner>,
    port: u16,
    own: Own,
    _task: JoinSet<()>,
}

impl Front {
    pub(crate) async fn start(pebble: &Pebble) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(pebble.own.ca.clone()).unwrap();
        let client =
            ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();
        let https = HttpsConnectorBuilder::new().with_tls_config(client).https_only().enable_http1().build();
        let listener = TcpListener::bind(local(0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            upstream: Client::builder(TokioExecutor::new()).build(https),
            pebble: format!("127.0.0.1:{}", pebble.port),
            own: format!("127.0.0.1:{port}"),
            renewal: Mutex::new(Renewal::Future),
            replaced: watch::channel(None).0,
            turned_away: Mutex::new(None),
            orders: Mutex::default(),
        });
        let own = Own::new();
        let chain = vec![CertificateDer::from_pem_slice(own.cert_pem.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(own.key_pem.as_bytes()).unwrap();
        let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let server = server.with_no_client_auth().with_single_cert(chain, key).unwrap();
        let mut task = JoinSet::new();
        task.spawn(serve(listener, TlsAcceptor::from(Arc::new(server)), inner.clone()));
        Self { inner, port, own, _task: task }
    }

    pub(crate) fn directory(&self) -> String {
        directory(self.port)
    }

    pub(crate) fn trust(&self) -> Trust {
        self.own.trust()
    }

    pub(crate) fn suggest(&self, renewal: Renewal) {
        *self.inner.renewal.lock().unwrap() = renewal;
    }

    /// What the first order that replaces something says that it replaces.
    pub(crate) async fn replaced(&self) -> String {
        let mut replaced = self.inner.replaced.subscribe();
        replaced.wait_for(Option::is_some).await.unwrap().clone().unwrap()
    }

    /// The next order is turned away, for so long.
    pub(crate) fn turn_away(&self, wait: Duration) {
        *self.inner.turned_away.lock().unwrap() = Some(wait);
    }

    /// When orders came, those that were turned away too.
    pub(crate) fn orders(&self) -> Vec<Instant> {
        self.inner.orders.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, inner: Arc<Inner>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, inner) = (acceptor.clone(), inner.clone());
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(move |request| {
                let inner = inner.clone();
                async move { Ok::<_, Infallible>(inner.answer(request).await) }
            });
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A client that leaves is no failure.
            drop(served.await);
        });
    }
}

impl Inner {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        if request.method() == Method::GET && path.starts_with("/renewal-info/") {
            return self.renewal_info();
        }
        let is_order = path == "/order-plz";
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let mut replaces = None;
        if is_order {
            self.orders.lock().unwrap().push(Instant::now());
            if let Some(wait) = self.turned_away.lock().unwrap().take() {
                return too_often(wait);
            }
            let jws: Value = serde_json::from_slice(&body).unwrap();
            let payload = BASE64_URL_SAFE_NO_PAD.decode(jws["payload"].as_str().unwrap()).unwrap();
            let payload: Value = serde_json::from_slice(&payload).unwrap();
            replaces = payload["replaces"].as_str().map(ToOwned::to_owned);
        }
        // Pebble makes its URLs of Host, and checks those that are signed by it: it stays.
        parts.uri = format!("https://{}{path}", self.pebble).parse().unwrap();
        parts.version = http::Version::HTTP_11;
        let response = self.upstream.request(Request::from_parts(parts, Full::new(body))).await.unwrap();
        let (mut parts, body) = response.into_parts();
        let mut body = body.collect().await.unwrap().to_bytes();
        if path == "/dir" {
            let mut directory: Value = serde_json::from_slice(&body).unwrap();
            directory["renewalInfo"] = json!(format!("https://{}/renewal-info", self.own));
            body = directory.to_string().into();
        }
        if let Some(replaces) = replaces
            && parts.status.is_success()
        {
            let mut order: Value = serde_json::from_slice(&body).unwrap();
            order["replaces"] = json!(replaces);
            body = order.to_string().into();
            self.replaced.send_replace(Some(replaces));
        }
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, Full::new(body))
    }

    fn renewal_info(&self) -> Response<Full<Bytes>> {
        let now = OffsetDateTime::now_utc();
        let (from, to) = match *self.renewal.lock().unwrap() {
            Renewal::Past => (now - time::Duration::hours(2), now - time::Duration::hours(1)),
            Renewal::Future => (now + time::Duration::days(50), now + time::Duration::days(60)),
        };
        let told = |at: OffsetDateTime| at.format(&Rfc3339).unwrap();
        let info = json!({ "suggestedWindow": { "start": told(from), "end": told(to) } });
        let response = Response::builder().header(header::RETRY_AFTER, "21600");
        response.body(Full::new(info.to_string().into())).unwrap()
    }
}

fn too_often(wait: Duration) -> Response<Full<Bytes>> {
    let problem = json!({ "type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many certificates" });
    Response::builder()
        .status(StatusCode::TOO_MANY_REQUESTS)
        .header(header::RETRY_AFTER, wait.as_secs())
        .header(header::CONTENT_TYPE, "application/problem+json")
        .body(Full::new(problem.to_string().into()))
        .unwrap()
}
