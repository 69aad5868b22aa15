//! One canonical host decides where a request goes; SNI, `Host`, `:authority` and an absolute-form target have to
//! agree on it (RFC 9110 §7.4).

use gantz_shared::authority;
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{Method, Uri, header};

use super::answer::Failure;
use crate::config::{Config, Routing};

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// The authority as the caller wrote it.
    pub(super) authority: Authority,
    /// What answers.
    pub(super) target: Target,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The relay itself.
    Apex,
    /// The tunnel of this name.
    Tunnel(String),
    /// The one tunnel there is.
    Only,
    /// Under the domain, but nothing that could be a tunnel.
    Nothing,
}

/// Decides. `sni` is the name of the TLS handshake, where there was one.
pub(super) fn route(parts: &Parts, sni: Option<&str>, config: &Config) -> Result<Route, Failure> {
    if parts.method == Method::CONNECT {
        return Err(Failure::ConnectRefused);
    }
    check_asterisk(parts.method.as_str(), parts.uri.path())?;
    check_scheme(&parts.uri)?;
    let bad = |_| Failure::BadRequest("The Host field is not a host with an optional port.");
    let mut hosts = parts.headers.get_all(header::HOST).into_iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Failure::BadRequest("There is more than one Host field."));
    }
    let authority = match (parts.uri.authority(), host) {
        (Some(authority), _) => authority.clone(),
        (None, Some(host)) => Authority::try_from(host.as_bytes()).map_err(|_| bad(authority::InvalidHost))?,
        (None, None) => return Err(Failure::BadRequest("The Host field is missing.")),
    };
    let (canonical, _) = authority::parse(authority.as_str()).map_err(bad)?;
    if let (Some(_), Some(host)) = (parts.uri.authority(), host) {
        let text = host.to_str().map_err(|_| bad(authority::InvalidHost))?;
        if authority::parse(text).map_err(bad)? != authority::parse(authority.as_str()).map_err(bad)? {
            return Err(Failure::Misdirected);
        }
    }
    if let Some(sni) = sni {
        let (sni, _) = authority::parse(sni).map_err(bad)?;
        if sni != canonical {
            return Err(Failure::Misdirected);
        }
    }
    let domain = config.domain.as_str();
    let target = match config.routing {
        Routing::Single if canonical.is_loopback() => Target::Only,
        Routing::Single => return Err(Failure::Misdirected),
        Routing::Names if canonical.as_str() == domain => Target::Apex,
        Routing::Names => match canonical.label_under(domain) {
            Some(label) => Target::Tunnel(label.to_owned()),
            None if canonical.is_within(domain) => Target::Nothing,
            None => return Err(Failure::Misdirected),
        },
    };
    Ok(Route { authority, target })
}

/// The edge speaks HTTP only: `:scheme` and an absolute target say nothing else (RFC 9113 §8.3.1).
pub(in crate::edge) fn check_scheme(target: &Uri) -> Result<(), Failure> {
    match target.scheme() {
        Some(scheme) if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS => {
            Err(Failure::BadRequest("The scheme is neither http nor https."))
        }
        _ => Ok(()),
    }
}

/// `*` is a target of OPTIONS only: the server itself (RFC 9112 §3.2.4).
pub(in crate::edge) fn check_asterisk(method: &str, target: &str) -> Result<(), Failure> {
    if target == "*" && method != Method::OPTIONS.as_str() {
        return Err(Failure::BadRequest("The target `*` is for OPTIONS only."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::config::{Domain, TlsConfig};

    /// Target, `Host` fields, SNI, and where that leads.
    type Row<'a> = (&'a str, &'a [&'a str], Option<&'a str>, Result<Target, Failure>);

    /// One row a way to name a host.
    #[test]
    fn table() {
        let config = Config::new(Domain::parse("relay.test").unwrap(), TlsConfig::SelfSigned);
        let tunnel = |name: &str| Ok(Target::Tunnel(name.to_owned()));
        let missing = Failure::BadRequest("The Host field is missing.");
        let double = Failure::BadRequest("There is more than one Host field.");
        let malformed = Failure::BadRequest("The Host field is not a host with an optional port.");
        let scheme = Failure::BadRequest("The scheme is neither http nor https.");
        let rows: &[Row<'_>] = &[
            ("/mcp", &["cool.relay.test"], None, tunnel("cool")),
            ("/mcp", &["cool.relay.test"], Some("cool.relay.test"), tunnel("cool")),
            ("/mcp", &["COOL.Relay.Test"], Some("cool.relay.test"), tunnel("cool")),
            ("/mcp", &["cool.relay.test.:8443"], Some("cool.relay.test"), tunnel("cool")),
            ("/mcp", &["cool.relay.test"], Some("other.relay.test"), Err(Failure::Misdirected)),
            ("https://cool.relay.test/mcp", &[], Some("cool.relay.test"), tunnel("cool")),
            ("https://cool.relay.test/mcp", &["cool.relay.test"], None, tunnel("cool")),
            ("http://cool.relay.test/mcp", &["cool.relay.test"], None, tunnel("cool")),
            ("ftp://cool.relay.test/mcp", &["cool.relay.test"], None, Err(scheme)),
            ("ws://cool.relay.test/mcp", &[], None, Err(scheme)),
            ("https://cool.relay.test/mcp", &["other.relay.test"], None, Err(Failure::Misdirected)),
            ("https://cool.relay.test:1/mcp", &["cool.relay.test:2"], None, Err(Failure::Misdirected)),
            ("/", &["relay.test"], None, Ok(Target::Apex)),
            ("/", &["RELAY.test."], Some("relay.test"), Ok(Target::Apex)),
            ("/", &["a.b.relay.test"], None, Ok(Target::Nothing)),
            ("/", &["evil.test"], None, Err(Failure::Misdirected)),
            ("/", &["coolrelay.test"], None, Err(Failure::Misdirected)),
            ("/", &["cool.relay.test.evil.test"], None, Err(Failure::Misdirected)),
            ("/", &["127.0.0.1"], None, Err(Failure::Misdirected)),
            ("/", &[], None, Err(missing)),
            ("/", &["cool.relay.test", "other.relay.test"], None, Err(double)),
            ("/", &["user@cool.relay.test"], None, Err(malformed)),
            ("/", &["cool.relay.test:port"], None, Err(malformed)),
            ("/", &[""], None, Err(malformed)),
            ("*", &["cool.relay.test"], None, Err(Failure::BadRequest("The target `*` is for OPTIONS only."))),
        ];
        for (target, hosts, sni, expected) in rows {
            let mut request = Request::builder().uri(*target);
            for host in *hosts {
                request = request.header(header::HOST, *host);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let decided = route(&parts, *sni, &config).map(|route| route.target);
            assert_eq!(&decided, expected, "{target} {hosts:?} {sni:?}");
        }
    }
}
