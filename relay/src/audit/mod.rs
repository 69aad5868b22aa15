//! What the relay writes down for its operator: who came, who was turned away, and why. A line of JSON an event; never a
//! token, a path or a body. What callers and agents can repeat at will is [`gathered`], so that nobody can fill the log
//! with it until it is rotated over what it says of others.

mod gathered;
mod log;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use serde::Serialize;

pub(crate) use gathered::Why;
pub(crate) use log::{Keeper, Log};

/// One line about agents.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    /// An agent opened a tunnel.
    TunnelOpened {
        name: &'a str,
        peer: SocketAddr,
        agent: &'a str,
        open: bool,
        tokens: usize,
        /// The id of its access key.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'a str>,
    },
    /// A tunnel ended.
    TunnelClosed {
        name: &'a str,
        reason: &'a str,
        #[serde(skip)]
        source: IpAddr,
    },
    /// An agent was not let in.
    TunnelRefused { peer: SocketAddr, agent: &'a str, code: &'static str },
    /// As many names have got a certificate lately as may: no other one gets any. Told once, until one did again.
    CertificatesLimited {
        names_per_week: u32,
        /// Seconds since 1970.
        until: i64,
    },
    /// An agent replaced its tokens.
    TokenSet {
        name: &'a str,
        generation: u64,
        tokens: usize,
        #[serde(skip)]
        source: IpAddr,
    },
}

impl Event<'_> {
    /// What of it is the same when it is repeated.
    fn kind(&self) -> (Why, IpAddr) {
        match self {
            Self::TunnelOpened { peer, .. } => (Why::Agent("tunnel_opened", None), peer.ip()),
            Self::TunnelClosed { source, .. } => (Why::Agent("tunnel_closed", None), *source),
            Self::TunnelRefused { peer, code, .. } => (Why::Agent("tunnel_refused", Some(code)), peer.ip()),
            Self::CertificatesLimited { .. } => {
                (Why::Agent("certificates_limited", None), IpAddr::V6(Ipv6Addr::UNSPECIFIED))
            }
            Self::TokenSet { source, .. } => (Why::Agent("token_set", None), *source),
        }
    }
}
