//! What the relay writes down for its operator: who came, who was turned away, and why. A line of JSON an event; never a
//! token, a path or a body.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    /// A caller showed a wrong or expired token, or none.
    AuthFailed { source: IpAddr, name: &'a str, code: &'a str },
    /// A caller came too often.
    RateLimited { source: IpAddr, name: &'a str, limit: &'a str },
    /// An agent opened a tunnel.
    TunnelOpened { name: &'a str, peer: SocketAddr, agent: &'a str, open: bool, tokens: usize },
    /// A tunnel ended.
    TunnelClosed { name: &'a str, reason: &'a str },
    /// An agent was not let in.
    TunnelRefused { peer: SocketAddr, agent: &'a str, code: &'a str },
    /// An agent replaced its tokens.
    TokenSet { name: &'a str, generation: u64, tokens: usize },
}
