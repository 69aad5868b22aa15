//! URLs of the local server in its own answers. One with an authority, with a scheme before it or without (RFC 3986
//! §4.2), names an address that means nothing to callers, or something else, so it is said of the tunnel's public origin.
//! Any other relative one is right already, and one of another server is none of gantz's business.

use gantz_shared::authority;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Uri, uri::PathAndQuery};

use super::Target;

/// The fields of an answer that are a URL, and are followed or taken for the answer's own (RFC 9110 §10.2.2, §8.7).
const LOCATIONS: [HeaderName; 2] = [header::LOCATION, header::CONTENT_LOCATION];

/// The names under which the local server may know itself. Cloning it copies nothing.
#[derive(Debug, Clone)]
pub struct Own {
    local: Authority,
    /// What it gets as `Host`, where that is an authority: many servers make their URLs of it.
    host: Option<Authority>,
    default_port: u16,
}

impl Own {
    /// Those of `target`, which gets `host` as its `Host`, if not its own authority.
    #[must_use]
    pub fn new(target: &Target, host: Option<&HeaderValue>) -> Self {
        Self {
            local: target.authority().clone(),
            host: host.and_then(|host| Authority::try_from(host.as_bytes()).ok()),
            default_port: if *target.scheme() == Scheme::HTTPS { 443 } else { 80 },
        }
    }

    /// What stands behind the authority of a URL of the local server, under any of this machine's names and with either
    /// scheme or none: behind the edge it may take itself for one that speaks https. `None` where there is no authority.
    pub(super) fn path(&self, url: &str) -> Option<PathAndQuery> {
        let uri: Uri = match url.strip_prefix("//") {
            // Either scheme would do.
            Some(rest) => format!("http://{rest}").parse().ok()?,
            None => url.parse().ok()?,
        };
        uri.scheme()?;
        if !self.is_named(uri.authority()?.as_str()) {
            return None;
        }
        Some(uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")))
    }

    fn is_named(&self, given: &str) -> bool {
        let port_or_default = |port: Option<u16>| port.unwrap_or(self.default_port);
        let Ok((host, port)) = authority::parse(given) else { return false };
        let port = port_or_default(port);
        let is_local = authority::parse(self.local.as_str()).is_ok_and(|(local, local_port)| {
            // Behind its own idea of a public name the server is still the same server: `0.0.0.0` is what some say.
            let is_same = host == local || (host.is_loopback() && local.is_loopback()) || host.as_str() == "0.0.0.0";
            is_same && port == port_or_default(local_port)
        });
        let is_host = |told: &Authority| {
            authority::parse(told.as_str()).is_ok_and(|told| (told.0, port_or_default(told.1)) == (host.clone(), port))
        };
        is_local || self.host.as_ref().is_some_and(is_host)
    }
}

/// The public form of the local server's URLs, for one caller. Cloning it copies nothing.
#[derive(Debug, Clone)]
pub struct PublicOrigin {
    own: Own,
    scheme: Scheme,
    authority: Authority,
}

impl PublicOrigin {
    /// For a caller that has reached the tunnel under this scheme and authority.
    #[must_use]
    pub fn new(own: Own, scheme: Scheme, authority: Authority) -> Self {
        Self { own, scheme, authority }
    }

    /// The same to be kept for long: the authority is a slice of the packet that it came in, and keeps all of that.
    pub(super) fn kept(&self) -> Self {
        let copy = Authority::try_from(self.authority.as_str());
        Self { authority: copy.unwrap_or_else(|_| self.authority.clone()), ..self.clone() }
    }

    /// The public form of a URL with the local server's authority; `None` for any other. Its fragment is not in it.
    #[must_use]
    pub fn translate(&self, url: &str) -> Option<String> {
        let path = self.own.path(url)?;
        Some(format!("{}://{}{path}", self.scheme, self.authority))
    }

    /// Makes `Location` and `Content-Location` say what callers can use.
    pub fn rewrite(&self, fields: &mut HeaderMap) {
        for name in LOCATIONS {
            let Some(value) = fields.get_mut(&name) else { continue };
            let Ok(url) = std::str::from_utf8(value.as_bytes()) else { continue };
            let Some(mut public) = self.translate(url) else { continue };
            if let Some(at) = url.find('#') {
                public.push_str(&url[at..]);
            }
            // What could stand in a field before still can.
            if let Ok(public) = HeaderValue::try_from(public) {
                *value = public;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(target: &str, host: Option<&'static str>, location: &str) -> String {
        let target = target.parse().unwrap();
        let host = host.map(HeaderValue::from_static);
        let authority = Authority::from_static("cool.relay.test:8443");
        let public = PublicOrigin::new(Own::new(&target, host.as_ref()), Scheme::HTTPS, authority);
        let mut fields = HeaderMap::new();
        fields.insert(header::LOCATION, HeaderValue::from_str(location).unwrap());
        fields.insert(header::CONTENT_LOCATION, HeaderValue::from_str(location).unwrap());
        public.rewrite(&mut fields);
        assert_eq!(fields[header::LOCATION], fields[header::CONTENT_LOCATION]);
        std::str::from_utf8(fields[header::LOCATION].as_bytes()).unwrap().to_owned()
    }

    #[test]
    fn own_urls_become_public() {
        for (target, location, expected) in [
            ("8090", "http://127.0.0.1:8090/mcp/", "/mcp/"),
            ("8090", "https://127.0.0.1:8090/mcp/?a=%2F#b", "/mcp/?a=%2F#b"),
            ("8090", "HTTP://LocalHost:8090", "/"),
            ("8090", "http://[::1]:8090/a", "/a"),
            ("8090", "http://0.0.0.0:8090/a", "/a"),
            ("8090", "http://127.0.0.1:8090/é", "/é"),
            ("8090", "//127.0.0.1:8090/mcp/?a=b#c", "/mcp/?a=b#c"),
            ("https://10.0.0.7", "//10.0.0.7", "/"),
            ("localhost", "https://localhost/a", "/a"),
            ("127.0.0.1:80", "http://127.0.0.1/a", "/a"),
            ("https://10.0.0.7", "https://10.0.0.7:443/a", "/a"),
        ] {
            assert_eq!(rewritten(target, None, location), format!("https://cool.relay.test:8443{expected}"));
        }
        assert_eq!(rewritten("8090", Some("tools.test"), "http://tools.test/a"), "https://cool.relay.test:8443/a");
    }

    #[test]
    fn others_stay() {
        for location in [
            "/mcp/",
            "mcp/",
            "//127.0.0.1:8091/mcp/",
            "//elsewhere.test/",
            "///127.0.0.1:8090/mcp/",
            "//",
            "http://127.0.0.1:8091/mcp/",
            "http://127.0.0.1/mcp/",
            "http://user@127.0.0.1:8090/mcp/",
            "http://127.0.0.1:8090.evil.test/mcp/",
            "https://elsewhere.test/mcp/",
            "http://tools.test:8090/",
            "",
        ] {
            assert_eq!(rewritten("8090", Some("tools.test"), location), location);
        }
    }
}
