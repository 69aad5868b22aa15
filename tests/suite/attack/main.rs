//! The relay under attack: bytes that two parsers of HTTP would read in two ways, HTTP/2 that is nothing but work, callers
//! who dawdle, too many of everything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod claims;
mod dawdle;
mod files;
mod frames;
mod framing_cases;
mod hoarders;
mod home;
mod http2;
mod limits;
mod others;
mod quic;
mod raw_agents;
mod slow;
mod slow_http2;
mod smuggling;
mod starving;
mod target;
