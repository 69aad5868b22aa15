//! Every answer the edge makes itself. It is JSON `{error, message, request_id}` with a `Gantz-Error` field, so that
//! nobody takes it for the local server's; a browser gets a page that says the same.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use gantz_shared::rate::Rate;
use http::header::{self, HeaderMap, HeaderValue};
use http::{HeaderName, Response, StatusCode};
use rand::RngExt;

use super::body::EdgeBody;
use super::code::Code;
use gantz_shared::limits::{MAX_FIELDS, MAX_HEAD, RETRY_AFTER_SECS};

/// Why the edge answers for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    TunnelNotFound,
    AgentOffline,
    UpstreamUnavailable,
    UpstreamTimeout,
    UpstreamInvalid,
    UpstreamLost,
    UpstreamTooLarge,
    TunnelLost,
    TunnelBusy,
    MissingToken,
    InvalidToken,
    ExpiredToken,
    OriginNotAllowed,
    Misdirected,
    BadRequest(&'static str),
    HeadTooLarge { bytes: usize, fields: usize },
    BodyTooLarge { limit: u64 },
    RequestTimeout,
    RateLimited { limit: Limit, rate: Rate, wait: Duration },
    ConnectRefused,
    NoAuthorizationServer,
    HttpsRequired,
    NotFound,
    MethodNotAllowed,
}

/// What was asked for too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Calls with one token.
    Token,
    /// Calls of one tunnel.
    Tunnel,
    /// Wrong tokens from one source.
    Guesses,
    /// Requests without a token from one source.
    MissingTokens,
}

impl Limit {
    /// For programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Tunnel => "tunnel",
            Self::Guesses => "guesses",
            Self::MissingTokens => "missing_tokens",
        }
    }

    /// What was too much.
    fn what(self) -> &'static str {
        match self {
            Self::Token => "requests with this token",
            Self::Tunnel => "requests to this tunnel",
            Self::Guesses => "wrong tokens from this address",
            Self::MissingTokens => "requests without a token from this address",
        }
    }
}

/// The field that marks an answer as the edge's own.
const GANTZ_ERROR: HeaderName = HeaderName::from_static("gantz-error");

impl Failure {
    /// Code and words. The codes are part of the product: programs match on them.
    fn parts(self) -> (Code, Cow<'static, str>) {
        let text = |code, message: &'static str| (code, Cow::Borrowed(message));
        match self {
            Self::TunnelNotFound => text(Code::TunnelNotFound, "No tunnel of this name has been opened here."),
            Self::AgentOffline => text(Code::AgentOffline, "The agent of this tunnel is away. Try again in a moment."),
            Self::UpstreamUnavailable => text(
                Code::UpstreamUnavailable,
                "The local server behind this tunnel does not take connections. Try again in a moment.",
            ),
            Self::UpstreamTimeout => {
                text(Code::UpstreamTimeout, "The local server behind this tunnel did not begin to answer in time.")
            }
            Self::UpstreamInvalid => text(
                Code::UpstreamInvalid,
                "What the local server behind this tunnel answered is no HTTP that can be passed on.",
            ),
            Self::UpstreamLost => {
                text(Code::UpstreamInvalid, "The local server behind this tunnel broke off before it had answered.")
            }
            Self::UpstreamTooLarge => (
                Code::UpstreamInvalid,
                format!(
                    "The head of the local server's answer is over the tunnel's limit of {MAX_HEAD} bytes, or of \
                     {MAX_FIELDS} fields."
                )
                .into(),
            ),
            Self::TunnelLost => text(Code::TunnelLost, "The tunnel broke before the local server had answered."),
            Self::TunnelBusy => {
                text(Code::TunnelBusy, "This tunnel has as many requests in flight as it takes. Try again in a moment.")
            }
            Self::MissingToken => text(Code::MissingToken, "Missing bearer token"),
            Self::InvalidToken => text(Code::InvalidToken, "Invalid token"),
            Self::ExpiredToken => text(Code::ExpiredToken, "The token has expired"),
            Self::OriginNotAllowed => text(
                Code::OriginNotAllowed,
                "This tunnel does not take requests from pages of this origin; its owner can allow it with --allow-origin.",
            ),
            Self::Misdirected => {
                text(Code::Misdirected, "This relay does not answer for the host that the request names.")
            }
            Self::BadRequest(why) => text(Code::BadRequest, why),
            Self::HeadTooLarge { bytes, fields } => (
                Code::HeadTooLarge,
                format!("The request's head is over this relay's limit of {bytes} bytes, or of {fields} fields.")
                    .into(),
            ),
            Self::RequestTimeout => text(Code::RequestTimeout, "The request's head did not come to its end in time."),
            Self::BodyTooLarge { limit } => {
                (Code::BodyTooLarge, format!("The request's body is over this relay's limit of {limit} bytes.").into())
            }
            Self::RateLimited { limit, rate, .. } => {
                (Code::RateLimited, format!("There were too many {}; the limit is {rate}.", limit.what()).into())
            }
            Self::ConnectRefused => text(Code::ConnectRefused, "This is not a forward proxy."),
            Self::NoAuthorizationServer => text(
                Code::NoAuthorizationServer,
                "This tunnel takes a bearer token that its owner hands out; there is no authorization server.",
            ),
            Self::HttpsRequired => text(
                Code::HttpsRequired,
                "Use https. A token that was sent to this address has crossed the network in clear: rotate it.",
            ),
            Self::NotFound => text(Code::NotFound, "This is the relay itself; tunnels are names under its domain."),
            Self::MethodNotAllowed => text(Code::MethodNotAllowed, "The relay's own pages are only read."),
        }
    }

    /// The code, for programs.
    pub(super) fn code(self) -> Code {
        self.parts().0
    }

    /// RFC 6750 §3: the challenge says nothing about a token when none was sent.
    fn challenge(self) -> Option<&'static str> {
        Some(match self {
            Self::MissingToken => r#"Bearer realm="gantz""#,
            Self::InvalidToken => {
                r#"Bearer realm="gantz", error="invalid_token", error_description="The token is not valid for this tunnel""#
            }
            Self::ExpiredToken => {
                r#"Bearer realm="gantz", error="invalid_token", error_description="The token has expired""#
            }
            _ => return None,
        })
    }

    /// Seconds after which another try makes sense (RFC 9110 §10.2.3).
    fn retry_after(self) -> Option<u64> {
        match self {
            Self::RateLimited { wait, .. } => Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
            Self::AgentOffline | Self::UpstreamUnavailable | Self::TunnelBusy => Some(RETRY_AFTER_SECS.into()),
            _ => None,
        }
    }

    /// The answer, in the form that the caller's `Accept` asks for.
    pub(crate) fn answer(self, request: &HeaderMap) -> Response<EdgeBody> {
        let (which, message) = self.parts();
        let (status, code) = which.row();
        let request_id = format!("{:016x}", rand::rng().random::<u64>());
        tracing::debug!(code, request_id, "edge answers itself");
        let (media_type, body) = if wants_page(request) {
            ("text/html; charset=utf-8", page(status, code, &message, &request_id))
        } else {
            let body = serde_json::json!({ "error": code, "message": message, "request_id": request_id });
            ("application/json", format!("{body}\n"))
        };
        let mut response = Response::new(EdgeBody::full(Bytes::from(body)));
        *response.status_mut() = status;
        // For whoever counts it.
        response.extensions_mut().insert(which);
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(GANTZ_ERROR, HeaderValue::from_static(code));
        if let Some(challenge) = self.challenge() {
            fields.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = self.retry_after() {
            fields.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Only a browser that looks at a page names HTML first; SDKs name JSON or event streams, or anything.
fn wants_page(request: &HeaderMap) -> bool {
    request.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"))
}

/// Nothing that the caller sent is on the page.
fn page(status: StatusCode, code: &str, message: &str, request_id: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{status}</title>\n<style>body{{font:16px/1.5 \
         system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}}small{{color:#777}}</style>\n\
         <h1>{status}</h1>\n<p>{message}</p>\n<p><small>gantz: {code}, request {request_id}</small></p>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind; the match makes sure that none is missing.
    fn every() -> Vec<Failure> {
        use Failure as F;
        let limited = |limit| F::RateLimited { limit, rate: Rate::per_second(1, 1), wait: Duration::from_millis(1500) };
        let all = vec![
            F::TunnelNotFound,
            F::AgentOffline,
            F::UpstreamUnavailable,
            F::UpstreamTimeout,
            F::UpstreamInvalid,
            F::UpstreamLost,
            F::UpstreamTooLarge,
            F::TunnelLost,
            F::TunnelBusy,
            F::MissingToken,
            F::InvalidToken,
            F::ExpiredToken,
            F::OriginNotAllowed,
            F::Misdirected,
            F::BadRequest("why"),
            F::HeadTooLarge { bytes: 1, fields: 1 },
            F::RequestTimeout,
            F::BodyTooLarge { limit: 1 },
            limited(Limit::Token),
            limited(Limit::Tunnel),
            limited(Limit::Guesses),
            limited(Limit::MissingTokens),
            F::ConnectRefused,
            F::NoAuthorizationServer,
            F::HttpsRequired,
            F::NotFound,
            F::MethodNotAllowed,
        ];
        for failure in &all {
            match failure {
                F::TunnelNotFound | F::AgentOffline | F::UpstreamUnavailable | F::UpstreamTimeout => {}
                F::UpstreamLost | F::UpstreamTooLarge => {}
                F::UpstreamInvalid | F::TunnelLost | F::TunnelBusy | F::MissingToken | F::InvalidToken => {}
                F::ExpiredToken | F::OriginNotAllowed | F::Misdirected | F::BadRequest(_) => {}
                F::HeadTooLarge { .. } | F::RequestTimeout => {}
                F::BodyTooLarge { .. } | F::RateLimited { .. } | F::ConnectRefused | F::NoAuthorizationServer => {}
                F::HttpsRequired | F::NotFound | F::MethodNotAllowed => {}
            }
        }
        all
    }

    /// The public table has the codes, so each of them has to be said somewhere.
    #[test]
    fn every_code_is_said() {
        let said: Vec<_> = every().into_iter().map(|failure| failure.parts().0).collect();
        for code in Code::ALL {
            assert!(said.contains(code), "{code:?}");
        }
    }

    #[test]
    fn whoever_may_come_back_is_told_when() {
        for failure in every() {
            let response = failure.answer(&HeaderMap::new());
            let is_temporary =
                matches!(response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), is_temporary, "{failure:?}");
        }
    }
}
