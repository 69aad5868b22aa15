//! One canonical form for the host that a caller names, so that routing and authentication can never see two.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// The host of an authority: lower case, without port, without a trailing dot. An IPv6 address keeps its brackets and
/// is in its one form of RFC 5952.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host<'a>(Cow<'a, str>);

impl Host<'_> {
    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before `.domain`, when this is one label under it. `domain` is canonical.
    #[must_use]
    pub fn label_under(&self, domain: &str) -> Option<&str> {
        let label = self.0.strip_suffix(domain)?.strip_suffix('.')?;
        (!label.is_empty() && !label.contains('.')).then_some(label)
    }

    /// Whether this is `domain` or anything under it.
    #[must_use]
    pub fn is_within(&self, domain: &str) -> bool {
        self.0.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// Whether this names the machine itself: `localhost`, a name under it (RFC 6761 §6.3), or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.is_within("localhost")
            || self.0.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || self.0 == "[::1]"
    }
}

/// Reads `host[:port]`, the form of `Host`, `:authority` and of a URL's authority without user information.
///
/// # Errors
/// [`InvalidHost`] for anything else: user information, a port that is no number, a host that is neither a DNS name
/// nor an address.
pub fn parse(authority: &str) -> Result<(Host<'_>, Option<u16>), InvalidHost> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or(InvalidHost)?;
        let address: Ipv6Addr = address.parse().map_err(|_| InvalidHost)?;
        let port_text = match after {
            "" => None,
            _ => Some(after.strip_prefix(':').ok_or(InvalidHost)?),
        };
        return Ok((Host(Cow::Owned(format!("[{address}]"))), port(port_text)?));
    }
    let (host, port_text) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let port = port(port_text)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    if is_name(host) { Ok((Host(lower(host)), port)) } else { Err(InvalidHost) }
}

/// Labels of letters, digits, `-` and `_`. In one pass: every request has one.
fn is_name(host: &str) -> bool {
    let mut label = 0;
    for byte in host.bytes() {
        label = match byte {
            b'.' if label > 0 => 0,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' if label < crate::limits::MAX_NAME_LEN => label + 1,
            _ => return false,
        };
    }
    label > 0 && host.len() <= 253
}

fn port(text: Option<&str>) -> Result<Option<u16>, InvalidHost> {
    match text {
        // RFC 3986 §3.2.3 allows an empty port; no client of ours sends one, and two spellings are one too many.
        Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map(Some).map_err(|_| InvalidHost)
        }
        Some(_) => Err(InvalidHost),
        None => Ok(None),
    }
}

/// Nearly every host arrives in lower case already; only others are copied.
fn lower(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// Not a host with an optional port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a host name or address with an optional port")]
pub struct InvalidHost;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(authority: &str) -> Option<(String, Option<u16>)> {
        parse(authority).ok().map(|(host, port)| (host.as_str().to_owned(), port))
    }

    #[test]
    fn one_form() {
        for (given, host, port) in [
            ("relay.test", "relay.test", None),
            ("Relay.TEST.:443", "relay.test", Some(443)),
            ("127.0.0.1:8080", "127.0.0.1", Some(8080)),
            ("[::1]:8080", "[::1]", Some(8080)),
            ("[FE80::1]", "[fe80::1]", None),
            ("[0:0:0:0:0:0:0:1]:8080", "[::1]", Some(8080)),
        ] {
            assert_eq!(canonical(given), Some((host.to_owned(), port)), "{given}");
        }
    }

    #[test]
    fn nothing_else() {
        for given in [
            "",
            ".",
            "a..b",
            "a.test:",
            "a.test:+1",
            "a.test:99999",
            "user@a.test",
            "a.test:1:2",
            "[::1",
            "[::1]x",
            "[zz]",
            "a b",
            "a\0b",
            "a/b",
            "ä.test",
            "..",
        ] {
            assert_eq!(canonical(given), None, "{given:?}");
        }
    }

    #[test]
    fn one_label_under_the_domain() {
        let label = |authority| parse(authority).unwrap().0.label_under("relay.test").map(str::to_owned);
        assert_eq!(label("cool.relay.test"), Some("cool".into()));
        assert_eq!(label("relay.test"), None);
        assert_eq!(label("a.b.relay.test"), None);
        assert_eq!(label("coolrelay.test"), None);
        assert_eq!(label("cool.relay.test.evil.test"), None);
    }

    proptest! {
        #[test]
        fn canonical_is_a_fixed_point(authority in "\\PC{0,40}") {
            if let Ok((host, _)) = parse(&authority) {
                let text = host.as_str().to_owned();
                let (again, port) = parse(&text).unwrap();
                prop_assert_eq!(again.as_str(), text.as_str());
                prop_assert_eq!(port, None);
                prop_assert!(!text.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_control()));
            }
        }
    }
}
