//! The rules of MCP traffic, each with real sockets through a relay and an agent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod answers;
mod away;
mod browser;
mod calls;
mod cancel;
mod cors;
mod credentials;
mod endpoint;
mod host_and_origin;
mod keep_alive;
mod pace;
mod paths;
mod permissions;
mod replay;
mod room;
mod scripted;
mod status;
mod streaming;
