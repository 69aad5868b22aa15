//! How large a packet may get. quinn by itself looks for no larger ones than Ethernet's; on one machine, or in a network of
//! jumbo frames, each costs as much and carries a multiple. Where the way gets narrower behind the first link, quinn's search
//! takes some dozen lost probes more, in which nothing else is lost; where it gets narrower later, quinn finds out by what is
//! lost (its black hole detection).

use std::io;
use std::net::SocketAddr;

use quinn::MtuDiscoveryConfig;

/// Bytes of UDP payload that are looked for anywhere: what Ethernet carries over IPv6.
const ETHERNET: u16 = 1_452;

/// Bytes of UDP payload that are never exceeded: quinn gives the system ten packets at once, and that takes 65,507 bytes.
pub(super) const MOST: u16 = 6_400;

/// Bytes of the heads of IPv6 (RFC 8200 §3) and UDP (RFC 768); of IPv4 they are fewer.
const HEADS: u16 = 40 + 8;

/// How packets of up to so many bytes are looked for (RFC 8899). What does not get through is no sign of congestion.
pub(super) fn discovery(most: u16) -> MtuDiscoveryConfig {
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(most);
    discovery
}

/// Bytes of UDP payload that the first link towards `remote` may carry. What the system does not say is Ethernet.
pub(super) fn towards(remote: SocketAddr) -> u16 {
    match link(remote) {
        Ok(mtu) => u16::try_from(mtu).unwrap_or(u16::MAX).saturating_sub(HEADS).clamp(ETHERNET, MOST),
        Err(error) => {
            tracing::debug!(%error, "the link's MTU is not known");
            ETHERNET
        }
    }
}

/// The MTU of the first link, bytes. Nothing is sent.
#[cfg(target_os = "linux")]
fn link(remote: SocketAddr) -> io::Result<u32> {
    // An IPv4 address that an IPv6 socket names is reached over IPv4.
    let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
    let socket = std::net::UdpSocket::bind(super::socket::any(remote))?;
    socket.connect(remote)?;
    let mtu = if remote.is_ipv4() {
        rustix::net::sockopt::ip_mtu(&socket)?
    } else {
        rustix::net::sockopt::ipv6_mtu(&socket)?
    };
    Ok(mtu)
}

/// Only Linux says it of a socket.
#[cfg(not(target_os = "linux"))]
fn link(_: SocketAddr) -> io::Result<u32> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_carries_more_than_ethernet() {
        // Where there is no IPv6, nothing is reached over it.
        let has_ipv6 = std::net::UdpSocket::bind("[::1]:0").is_ok();
        let remotes = ["127.0.0.1:9", "[::ffff:127.0.0.1]:9", "[::1]:9"];
        for remote in &remotes[..if has_ipv6 { 3 } else { 2 }] {
            assert_eq!(towards(remote.parse().unwrap()), MOST, "{remote}");
        }
    }

    #[test]
    fn what_cannot_be_reached_is_ethernet() {
        // RFC 6890: nothing is routed to the broadcast address without being asked to.
        assert_eq!(towards("255.255.255.255:9".parse().unwrap()), ETHERNET);
    }

    #[test]
    fn ten_fit_in_what_the_system_takes_at_once() {
        assert!(10 * u32::from(MOST) <= 65_507);
    }
}
