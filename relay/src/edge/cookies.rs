//! Tunnels are neighbours under one domain: a cookie for that domain would go to all of them.

use gantz_shared::authority::{self, Host};
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::Authority;

/// Drops the cookies that are set for more than the tunnel's own host (RFC 6265 §5.3). A domain that does not cover
/// that at all is left to the browser, which takes no such cookie.
pub(super) fn keep_apart(fields: &mut HeaderMap, authority: &Authority) {
    if !fields.contains_key(header::SET_COOKIE) {
        return;
    }
    let Ok((host, _)) = authority::parse(authority.as_str()) else { return };
    let header::Entry::Occupied(cookies) = fields.entry(header::SET_COOKIE) else { return };
    let (name, cookies) = cookies.remove_entry_mult();
    for cookie in cookies.filter(|cookie| !covers_neighbours(cookie, &host)).collect::<Vec<_>>() {
        fields.append(&name, cookie);
    }
    tracing::debug!(host = host.as_str(), "a cookie for more than this tunnel is not passed on");
}

/// The last `Domain` counts (RFC 6265 §5.2.3), but not for every browser: one is enough here.
fn covers_neighbours(cookie: &HeaderValue, host: &Host<'_>) -> bool {
    let attributes = cookie.as_bytes().split(|byte| *byte == b';').skip(1);
    attributes
        .filter_map(|attribute| {
            let at = attribute.iter().position(|byte| *byte == b'=')?;
            let (name, value) = attribute.split_at(at);
            name.trim_ascii().eq_ignore_ascii_case(b"domain").then(|| value.get(1..).unwrap_or_default().trim_ascii())
        })
        .any(|domain| {
            let text = String::from_utf8_lossy(domain).to_ascii_lowercase();
            let domain = text.trim_matches(['"', '.']);
            // What `host` is under, but is not.
            host.as_str() != domain && host.is_within(domain)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cookies_of_the_tunnel_itself_are_kept() {
        let rows = [
            ("a=1", true),
            ("a=1; Path=/; HttpOnly", true),
            ("a=1; Domain=cool.relay.test", true),
            ("a=1; domain=.Cool.Relay.Test", true),
            ("a=1; Domain=other.test", true),
            ("a=1; Domain=", true),
            ("a=\"; Domain=x\"", true),
            ("a=1; Domain=relay.test", false),
            ("a=1; Domain=.relay.test; Domain=cool.relay.test", false),
            ("a=1;domain = RELAY.TEST. ;Secure", false),
            ("a=1; Domain=\"relay.test\"", false),
            ("a=1; Domain=test", false),
        ];
        for (cookie, is_kept) in rows {
            let mut fields = HeaderMap::new();
            fields.append(header::SET_COOKIE, HeaderValue::from_static("first=1"));
            fields.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
            fields.append(header::SET_COOKIE, HeaderValue::from_static("last=1"));
            keep_apart(&mut fields, &Authority::from_static("Cool.relay.test:8443"));
            let kept: Vec<_> = fields.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
            let expected: &[&str] = if is_kept { &["first=1", cookie, "last=1"] } else { &["first=1", "last=1"] };
            assert_eq!(kept, expected, "{cookie}");
        }
    }
}
