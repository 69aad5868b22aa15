//! The edge under attack: bytes that two parsers of HTTP would read in two ways, and HTTP/2 that is nothing but work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod frames;
mod framing_cases;
mod http2;
mod smuggling;
