//! What the relay writes down for its operator: who came, who was turned away, and why. A line of JSON an event; never a
//! token, a path or a body. What callers can repeat at will is [`gathered`], so that nobody can fill the log
//! with it until it is rotated over what it says of others.

mod gathered;
mod log;

use std::net::SocketAddr;

use serde::Serialize;

pub(crate) use gathered::Why;
pub(crate) use log::{Keeper, Log};

/// One line about agents.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    /// An agent opened a tunnel.
    TunnelOpened { name: &'a str, peer: SocketAddr, agent: &'a str, open: bool, tokens: usize },
    /// A tunnel ended.
    TunnelClosed { name: &'a str, reason: &'a str },
    /// An agent was not let in.
    TunnelRefused { peer: SocketAddr, agent: &'a str, code: &'a str },
    /// An agent replaced its tokens.
    TokenSet { name: &'a str, generation: u64, tokens: usize },
}
