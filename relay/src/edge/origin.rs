//! Browsers: which pages may call (DNS rebinding and cross-site requests end here), and CORS (Fetch §3.2).

use gantz_shared::authority;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{Method, Response, StatusCode};

use super::answer::Failure;
use super::body::EdgeBody;

/// What a page may read of an answer besides what every page may.
const EXPOSED: &str = "Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After, Gantz-Error";

/// How long a browser may remember a preflight, seconds. Short: a policy changes with the next `gantz run`.
const PREFLIGHT_MAX_AGE: u32 = 600;

/// Checks the `Origin` of a request. `None`: the request comes from no page.
///
/// Allowed are the tunnel's `own` origin, pages of the caller's own machine (inspectors run there), and what is `listed`:
/// what the tunnel's owner allows.
pub(super) fn check(
    parts: &Parts,
    own: (&Scheme, &Authority),
    listed: &[String],
) -> Result<Option<HeaderValue>, Failure> {
    let mut values = parts.headers.get_all(header::ORIGIN).into_iter();
    let Some(origin) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Failure::OriginNotAllowed);
    }
    let text = origin.to_str().map_err(|_| Failure::OriginNotAllowed)?;
    let is_listed = listed.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(text));
    if is_listed || is_own(text, own) { Ok(Some(origin.clone())) } else { Err(Failure::OriginNotAllowed) }
}

fn is_own(origin: &str, (own_scheme, own): (&Scheme, &Authority)) -> bool {
    let (scheme, host, default) = if let Some(host) = origin.strip_prefix("https://") {
        (Scheme::HTTPS, host, 443)
    } else if let Some(host) = origin.strip_prefix("http://") {
        (Scheme::HTTP, host, 80)
    } else {
        return false;
    };
    let Ok((host, port)) = authority::parse(host) else { return false };
    // A browser leaves the default port out of an origin; other callers may write it into `Host`.
    let port = port.unwrap_or(default);
    // A page that came in clear may be anybody's who was on its way: it is not the tunnel's own.
    let is_own = |(own_host, own_port): (authority::Host<'_>, Option<u16>)| {
        scheme == *own_scheme && own_host == host && own_port.unwrap_or(default) == port
    };
    host.is_loopback() || authority::parse(own.as_str()).is_ok_and(is_own)
}

/// Whether this is a preflight: it carries no token, and the edge answers it.
pub(super) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(header::ORIGIN)
        && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight from an allowed origin.
pub(super) fn preflight(parts: &Parts, origin: &HeaderValue) -> Response<EdgeBody> {
    let mut response = Response::new(EdgeBody::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    let fields = response.headers_mut();
    let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    fields.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    // What is asked for is allowed: MCP grows new `Mcp-*` fields, and the token decides in any case.
    if let Some(asked) = parts.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        fields.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    fields.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(PREFLIGHT_MAX_AGE));
    allow(fields, origin);
    response
}

/// Lets the page of `origin` read an answer. The local server's own CORS fields are replaced: they speak of origins
/// that it never saw.
pub(super) fn allow(fields: &mut HeaderMap, origin: &HeaderValue) {
    const REPLACED: [HeaderName; 2] = [header::ACCESS_CONTROL_ALLOW_CREDENTIALS, header::ACCESS_CONTROL_EXPOSE_HEADERS];
    for name in REPLACED {
        fields.remove(name);
    }
    fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    fields.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    fields.append(header::VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_pages_may_call() {
        let own = Authority::from_static("cool.relay.test:8443");
        let listed = ["https://app.example".to_owned()];
        for (origin, allowed) in [
            ("https://cool.relay.test:8443", true),
            ("https://cool.relay.test", false),
            ("http://cool.relay.test:8443", false),
            ("https://other.relay.test:8443", false),
            ("http://localhost:6274", true),
            ("http://127.0.0.1:6274", true),
            ("https://app.example", true),
            ("https://app.example.evil", false),
            ("http://localhost.evil", false),
            ("null", false),
            ("", false),
        ] {
            let request = http::Request::builder().header(header::ORIGIN, origin).body(()).unwrap();
            let (parts, ()) = request.into_parts();
            assert_eq!(check(&parts, (&Scheme::HTTPS, &own), &listed).is_ok(), allowed, "{origin}");
        }
    }
}
