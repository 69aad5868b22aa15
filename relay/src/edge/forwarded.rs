//! Who the caller is, when a proxy in front speaks for it. Nobody is believed unless the operator said so.

use std::net::IpAddr;

use gantz_shared::authority;
use http::HeaderMap;
use http::uri::Scheme;
use ipnet::IpNet;

/// The caller's address: the peer's, or, behind trusted proxies, the last one in `X-Forwarded-For` that is not such a
/// proxy itself.
pub(super) fn client(fields: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if trusted.is_empty() || !is_trusted(&peer) {
        return peer;
    }
    let hops: Vec<&str> = fields
        .get_all("x-forwarded-for")
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        let Some(address) = address(hop.trim()) else { break };
        client = address;
        if !is_trusted(&client) {
            break;
        }
    }
    client
}

/// The scheme that the caller used: what a trusted proxy says, or else what the relay's public origin is.
pub(super) fn scheme(fields: &HeaderMap, peer: IpAddr, trusted: &[IpNet], public: &Scheme) -> Scheme {
    let peer = peer.to_canonical();
    if trusted.iter().any(|net| net.contains(&peer)) {
        match fields.get("x-forwarded-proto").map(http::HeaderValue::as_bytes) {
            Some(b"https") => return Scheme::HTTPS,
            Some(b"http") => return Scheme::HTTP,
            _ => {}
        }
    }
    public.clone()
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (host, _) = authority::parse(text).ok()?;
    let host = host.as_str().trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn whom_to_believe() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (chain, peer, expected) in [
            ("1.2.3.4", "9.9.9.9", "9.9.9.9"),
            ("1.2.3.4", "10.0.0.1", "1.2.3.4"),
            ("6.6.6.6, 1.2.3.4, 10.0.0.2", "10.0.0.1", "1.2.3.4"),
            ("garbage", "10.0.0.1", "10.0.0.1"),
            ("1.2.3.4, garbage", "10.0.0.1", "10.0.0.1"),
            ("[2001:db8::1]:443", "::ffff:10.0.0.1", "2001:db8::1"),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert("x-forwarded-for", HeaderValue::from_static(chain));
            assert_eq!(client(&fields, ip(peer), &trusted), ip(expected), "{chain} from {peer}");
            assert_eq!(client(&fields, ip(peer), &[]), ip(peer).to_canonical());
        }
    }
}
