//! HTTPS to the certificate authority, with deadlines and a limit to what is read, and its errors in words.

use std::error::Error;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use httpdate::HttpDate;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as HyperClient, Error as HyperError};
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient, Problem};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use crate::limits::{CONNECT_DEADLINE, MAX_ANSWER, REQUEST_DEADLINE};
use crate::settings::Trust;
use crate::trouble::Trouble;

type Inner = HyperClient<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>;

/// See the module's head. Clones are for the same order at a time, as they share what was said last.
#[derive(Clone)]
pub(crate) struct Client {
    inner: Inner,
    /// What the last refusal said of when to come back: the library passes the refusal on without it.
    come_back: Arc<Mutex<Option<SystemTime>>>,
}

impl Client {
    /// # Errors
    /// Why nobody would be trusted.
    pub(crate) fn new(trust: &Trust) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        match trust {
            Trust::System => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err("the system has no certificate authorities".into());
                }
            }
            Trust::Only(certificates) => {
                for certificate in certificates {
                    roots.add(certificate.clone()).map_err(|error| error.to_string())?;
                }
            }
        }
        let tls = ClientConfig::builder_with_provider(super::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_DEADLINE));
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().enable_http2();
        let inner = HyperClient::builder(TokioExecutor::new()).build(https.wrap_connector(tcp));
        Ok(Self { inner, come_back: Arc::default() })
    }

    /// One for other orders at the same time, over the same connections.
    pub(crate) fn another(&self) -> Self {
        Self { inner: self.inner.clone(), come_back: Arc::default() }
    }

    pub(crate) fn boxed(&self) -> Box<dyn HttpClient> {
        Box::new(self.clone())
    }

    /// What to tell, and when to come back.
    pub(crate) fn trouble(&self, error: instant_acme::Error) -> Trouble {
        use instant_acme::Error;
        match error {
            Error::Api(problem) => match kind(&problem) {
                Some("rateLimited") => Trouble::RateLimited {
                    why: told(&problem),
                    until: self.come_back.lock().unwrap_or_else(PoisonError::into_inner).take(),
                },
                Some("serverInternal") => Trouble::Unreachable(told(&problem)),
                _ => Trouble::Refused(told(&problem)),
            },
            Error::Timeout(_) => Trouble::Unreachable("it has not decided in time".into()),
            Error::Json(error) => Trouble::Unreachable(format!("its answer is not ACME: {error}")),
            Error::Other(error) => match error.downcast::<Unanswered>() {
                Ok(unanswered) => Trouble::Unreachable(unanswered.0),
                Err(error) => Trouble::Refused(with_causes(error.as_ref())),
            },
            error => Trouble::Refused(error.to_string()),
        }
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let uri = request.uri().clone();
            let answer = timeout(REQUEST_DEADLINE, client.exchange(request)).await;
            let late = || Unanswered(format!("no answer within {} s", REQUEST_DEADLINE.as_secs()));
            match answer.unwrap_or_else(|_| Err(late())) {
                Ok(response) => Ok(BytesResponse::from(response)),
                Err(Unanswered(why)) => {
                    let whole = Unanswered(format!("{uri}: {why}"));
                    Err(instant_acme::Error::Other(Box::new(whole)))
                }
            }
        })
    }
}

impl Client {
    async fn exchange(&self, request: Request<BodyWrapper<Bytes>>) -> Result<Response<Full<Bytes>>, Unanswered> {
        let response =
            self.inner.request(request).await.map_err(|error: HyperError| Unanswered(with_causes(&error)))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|error| Unanswered(with_causes(error.as_ref())))?.to_bytes();
        if matches!(parts.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            *self.come_back.lock().unwrap_or_else(PoisonError::into_inner) = come_back(&parts.headers);
        }
        // A proxy's page, or a server that is not one of ACME. The library would complain of the JSON.
        let is_error = parts.status.is_client_error() || parts.status.is_server_error();
        if is_error && serde_json::from_slice::<Problem>(&body).is_err() {
            return Err(Unanswered(format!("it answers {}", parts.status)));
        }
        Ok(Response::from_parts(parts, Full::new(body)))
    }
}

/// There was no answer, or none of ACME.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unanswered(String);

/// `Retry-After`, RFC 9110 §10.2.3.
fn come_back(headers: &HeaderMap) -> Option<SystemTime> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => SystemTime::now().checked_add(Duration::from_secs(seconds)),
        Err(_) => HttpDate::from_str(value).ok().map(SystemTime::from),
    }
}

/// The last part of a problem's type, RFC 8555 §6.7: `rateLimited`.
pub(super) fn kind(problem: &Problem) -> Option<&str> {
    problem.r#type.as_deref()?.strip_prefix("urn:ietf:params:acme:error:")
}

/// A problem in one line.
pub(super) fn told(problem: &Problem) -> String {
    let mut told = problem.detail.clone().unwrap_or_else(|| "it does not say why".into());
    for part in &problem.subproblems {
        told.push_str(&format!("; {part}"));
    }
    if let Some(kind) = &problem.r#type {
        told.push_str(&format!(" ({})", kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind)));
    }
    // It comes from elsewhere and goes to a terminal.
    told.chars().map(|char| if char.is_control() { ' ' } else { char }).take(1000).collect()
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push_str(&format!(": {error}"));
        cause = error.source();
    }
    told
}
