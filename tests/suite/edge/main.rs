//! The relay's two sides against whoever does not keep to the rules: names and credentials of callers, and agents that
//! lie.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod acme;
mod answers;
mod apex;
mod audit;
mod busy;
mod deadlines;
mod drain;
mod errors;
mod handshake;
mod http2_routing;
mod lives;
mod lying_agent;
mod moves;
mod names;
mod proxies;
mod rates;
mod raw_agent;
mod redirect;
mod routing;
mod self_signed;
mod tickets;
mod tls_files;
mod token;
mod unread;
mod unread_answers;
