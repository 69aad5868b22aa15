//! The local server: where it is, how it is called, and what is changed on the way.

mod body;
mod connector;
mod endpoint;
mod head;
mod interim;
pub mod probe;
mod public;
mod target;
pub mod tools;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gantz_shared::limits::MAX_FIELDS;
use gantz_shared::wire::head::RequestHead;
use http::{HeaderName, HeaderValue, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use body::Progress;
pub use body::RequestBody;
use connector::Connector;
pub use endpoint::Endpoint;
pub use interim::Interim;
pub use public::{Own, PublicOrigin};
pub use target::Target;

use crate::config::{Config, UPSTREAM_IDLE};

/// The local server and the connections to it.
#[derive(Debug)]
pub struct Upstream {
    client: Client<Connector, RequestBody>,
    target: Target,
    own: Own,
    host: HeaderValue,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Option<Duration>,
}

/// Why there is no answer of the local server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// It does not take connections.
    #[error("it does not take connections: {0}")]
    Unavailable(String),
    /// It sent no head in time.
    #[error("no answer in time")]
    Timeout,
    /// The caller's body broke off.
    #[error("the caller's body broke off")]
    Caller,
    /// The head of its answer has more fields, or is longer, than can be taken.
    #[error("the head of its answer is too large")]
    TooLarge,
    /// It broke off before the head of its answer was whole.
    #[error("it broke off before it answered: {0}")]
    Lost(String),
    /// It answered with something else than HTTP, or with a transfer coding that is not understood.
    #[error("no HTTP answer: {0}")]
    Invalid(String),
}

impl Upstream {
    /// A client for the local server of `config`.
    ///
    /// # Errors
    /// The target's authority cannot stand in a `Host` field.
    pub fn new(config: &Config) -> Result<Self, String> {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(UPSTREAM_IDLE)
            .pool_timer(TokioTimer::new())
            // Of these the tunnel takes half; those that end here do not count against it.
            .http1_max_headers(2 * MAX_FIELDS)
            .build(Connector::new(config.target.scheme())?);
        let host = match &config.host_header {
            Some(host) => host.clone(),
            None => HeaderValue::from_str(config.target.authority().as_str()).map_err(|error| error.to_string())?,
        };
        Ok(Self {
            client,
            target: config.target.clone(),
            own: Own::new(&config.target, config.host_header.as_ref()),
            host,
            headers: config.upstream_headers.clone(),
            timeout: (!config.upstream_timeout.is_zero()).then_some(config.upstream_timeout),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What its URLs are to the caller of `head`.
    #[must_use]
    pub fn public(&self, head: &RequestHead) -> PublicOrigin {
        PublicOrigin::new(self.own.clone(), head.scheme.clone(), head.authority.clone())
    }

    /// Makes one call. Informational answers go to `interim`. Cancel-safe: dropped, the call ends and its connection
    /// closes.
    ///
    /// # Errors
    /// [`UpstreamError`]
    pub async fn call(
        &self,
        head: RequestHead,
        body: RequestBody,
        interim: Arc<Interim>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let progress = body.progress();
        let mut request = head::request(head, body, self).map_err(|error| UpstreamError::Invalid(error.to_string()))?;
        hyper::ext::on_informational(&mut request, move |info| interim.push(info.status(), info.headers().clone()));
        let mut call = pin!(self.client.request(request));
        let result = match self.timeout {
            Some(timeout) => loop {
                // A caller that is still sending is no silence of the server's.
                let sent = progress.as_ref().map(Progress::pieces);
                match tokio::time::timeout(timeout, &mut call).await {
                    Ok(result) => break result,
                    Err(_) if sent == progress.as_ref().map(Progress::pieces) => return Err(UpstreamError::Timeout),
                    Err(_) => {}
                }
            },
            None => call.await,
        };
        let mut response = result.map_err(|error| {
            let causes = causes(&error);
            if error.is_connect() {
                UpstreamError::Unavailable(causes)
            } else if is_of(&error, hyper::Error::is_user) {
                // That is how hyper calls a request's body that failed.
                UpstreamError::Caller
            } else if is_of(&error, hyper::Error::is_parse_too_large) {
                UpstreamError::TooLarge
            } else if is_of(&error, hyper::Error::is_parse) {
                UpstreamError::Invalid(causes)
            } else {
                UpstreamError::Lost(causes)
            }
        })?;
        if !head::is_plain_or_chunked(response.headers()) {
            return Err(UpstreamError::Invalid("a transfer coding other than chunked".into()));
        }
        head::settle_length(&mut response);
        Ok(response)
    }
}

/// Whether hyper's error within is one of this kind.
fn is_of(error: &hyper_util::client::legacy::Error, kind: impl Fn(&hyper::Error) -> bool) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.downcast_ref::<hyper::Error>().is_some_and(&kind) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error and everything under it, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
