//! Browsers: which pages may call (DNS rebinding and cross-site requests end here), and CORS (Fetch §3.2).

use gantz_shared::authority;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{Method, Response, StatusCode};

use super::answer::Failure;
use super::body::EdgeBody;

/// What a page may read of an answer besides what every page may.
const EXPOSED: &str = "Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After, Gantz-Error";

/// How long a browser may remember a preflight, seconds. Short: a policy changes with the next `gantz run`.
const PREFLIGHT_MAX_AGE: u32 = 600;

/// A page that may call.
#[derive(Debug, Clone)]
pub(super) struct Page {
    origin: HeaderValue,
    /// The tunnel's owner allows it by its name. Only such a page may use what the browser keeps for the local server
    /// (cookies), if that one agrees: `*` and this machine's pages were not meant by anybody.
    is_named: bool,
}

/// Checks the `Origin` of a request. `None`: the request comes from no page.
///
/// Allowed are the tunnel's `own` origin, pages of the caller's own machine (inspectors run there), and what is `listed`:
/// what the tunnel's owner allows.
pub(super) fn check(parts: &Parts, own: (&Scheme, &Authority), listed: &[String]) -> Result<Option<Page>, Failure> {
    let mut values = parts.headers.get_all(header::ORIGIN).into_iter();
    let Some(origin) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Failure::OriginNotAllowed);
    }
    let text = origin.to_str().map_err(|_| Failure::OriginNotAllowed)?;
    let is_named = listed.iter().any(|allowed| allowed != "*" && allowed.eq_ignore_ascii_case(text));
    let is_allowed = is_named || is_own(text, own) || listed.iter().any(|allowed| allowed == "*");
    is_allowed.then(|| Some(Page { origin: origin.clone(), is_named })).ok_or(Failure::OriginNotAllowed)
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
pub(super) fn preflight(parts: &Parts, page: &Page) -> Response<EdgeBody> {
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
    // That they may be sent; whether the page may read what comes back is said by that answer.
    fields.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    allow(fields, page);
    response
}

/// Lets a page read an answer. The local server's own word on origins is replaced, as it never saw this one; what it
/// exposes, and that it takes credentials from a page that is allowed by name, stays.
pub(super) fn allow(fields: &mut HeaderMap, page: &Page) {
    let mut exposed = EXPOSED.as_bytes().to_vec();
    for own in fields.get_all(header::ACCESS_CONTROL_EXPOSE_HEADERS) {
        exposed.extend_from_slice(b", ");
        exposed.extend_from_slice(own.as_bytes());
    }
    // Parts of fields make a field.
    let exposed = HeaderValue::try_from(exposed).unwrap_or(HeaderValue::from_static(EXPOSED));
    fields.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    if !page.is_named {
        fields.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
    }
    fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, page.origin.clone());
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
