//! What the user gives as TARGET: a port, `host:port`, or a URL.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, Scheme};

/// What a target looks like.
const FORMS: &str = "a port (8090), host:port, or a URL (http://127.0.0.1:8090/mcp)";

/// Where the local server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    scheme: Scheme,
    authority: Authority,
    path: Option<String>,
}

impl Target {
    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Host and port.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The endpoint's path, where the user gave one.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Host and port to connect to; an IPv6 address is without brackets.
    #[must_use]
    pub fn host_port(&self) -> (&str, u16) {
        let default = if self.scheme == Scheme::HTTPS { 443 } else { 80 };
        let host = self.authority.host().trim_start_matches('[').trim_end_matches(']');
        (host, self.authority.port_u16().unwrap_or(default))
    }

    /// The URL of `path` on this server.
    ///
    /// # Errors
    /// `path` is not one.
    pub fn url(&self, path: &str) -> Result<Uri, http::Error> {
        Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(path).build()
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("`{text}` {why}; {FORMS}");
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let port: u16 = text.parse().map_err(|_| bad("is not a port"))?;
            if port == 0 {
                return Err(bad("is not a port that a server can have"));
            }
            let authority = Authority::try_from(format!("127.0.0.1:{port}")).map_err(|_| bad("is not a port"))?;
            return Ok(Self { scheme: Scheme::HTTP, authority, path: None });
        }
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = with_scheme.parse().map_err(|_| bad("is not a URL"))?;
        let parts = uri.into_parts();
        let scheme = match parts.scheme {
            Some(scheme) if scheme == Scheme::HTTP || scheme == Scheme::HTTPS => scheme,
            _ => return Err(bad("is neither http nor https")),
        };
        let authority = parts.authority.ok_or_else(|| bad("has no host"))?;
        if authority.as_str().contains('@') {
            // Not repeated: it may have a password as well.
            return Err("a user name in a URL is not sent; --upstream-header for credentials".to_owned());
        }
        if authority.host().is_empty() || gantz_shared::authority::parse(authority.host()).is_err() {
            return Err(bad("has no usable host"));
        }
        if gantz_shared::authority::parse(authority.as_str()).is_err() || authority.port_u16() == Some(0) {
            return Err(bad("has no usable port"));
        }
        let path = parts.path_and_query.map(|path| path.as_str().to_owned()).filter(|path| path != "/");
        Ok(Self { scheme, authority, path })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type() {
        let parse = |text: &str| {
            let target: Target = text.parse().unwrap();
            (target.to_string(), target.path().map(str::to_owned))
        };
        assert_eq!(parse("8090"), ("http://127.0.0.1:8090".into(), None));
        assert_eq!(parse("localhost:8090"), ("http://localhost:8090".into(), None));
        assert_eq!(parse("http://127.0.0.1:8090/sse"), ("http://127.0.0.1:8090".into(), Some("/sse".into())));
        assert_eq!(parse("https://[::1]:8443/"), ("https://[::1]:8443".into(), None));
        for bad in ["localhost:99999", "localhost:x", "localhost:", "localhost:0"] {
            let why = bad.parse::<Target>().unwrap_err();
            assert!(why.contains("has no usable port"), "{bad:?}: {why}");
        }
        for bad in ["0", "99999", "", "a..b:1", "ftp://x:1", "http://", "http://user@host:1", "http://a b", "/mcp"] {
            assert!(bad.parse::<Target>().is_err(), "{bad:?}");
        }
    }
}
