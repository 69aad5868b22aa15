//! The local server: where it is, how it is called, and what is changed on the way.

mod body;
mod connector;
mod endpoint;
mod head;
mod interim;
mod pool;
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

use body::Progress;
pub use body::RequestBody;
pub use endpoint::Endpoint;
pub use interim::Interim;
pub use pool::AnswerBody;
use pool::{Pool, PoolError};
pub use public::{Own, PublicOrigin};
pub use target::Target;

use crate::config::Config;

/// Field lines of an answer's head, those included that end here. As many as hyper has room for without asking for it.
const MAX_ANSWER_FIELDS: usize = MAX_FIELDS;

/// The local server and the connections to it.
#[derive(Debug)]
pub struct Upstream {
    pool: Pool,
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
        let host = match &config.host_header {
            Some(host) => host.clone(),
            None => HeaderValue::from_str(config.target.authority().as_str()).map_err(|error| error.to_string())?,
        };
        Ok(Self {
            pool: Pool::new(config.target.scheme(), config.target.authority())?,
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
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        let progress = body.progress();
        let mut request = head::request(head, body, self).map_err(|error| UpstreamError::Invalid(error.to_string()))?;
        hyper::ext::on_informational(&mut request, move |info| interim.push(info.status(), info.headers().clone()));
        let mut call = pin!(self.pool.call(request));
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
        let mut response = result?;
        if !head::is_plain_or_chunked(response.headers()) {
            return Err(UpstreamError::Invalid("a transfer coding other than chunked".into()));
        }
        head::settle_length(&mut response);
        Ok(response)
    }
}

impl From<PoolError> for UpstreamError {
    fn from(error: PoolError) -> Self {
        let causes = causes(&error);
        match error {
            PoolError::NotConnected(_) => Self::Unavailable(causes),
            // That is how hyper calls a request's body that failed.
            PoolError::Http(error) if error.is_user() => Self::Caller,
            PoolError::Http(error) if error.is_parse_too_large() => Self::TooLarge,
            PoolError::Http(error) if error.is_parse() => Self::Invalid(causes),
            PoolError::Http(_) => Self::Lost(causes),
        }
    }
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
