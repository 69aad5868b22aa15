//! Ordinary HTTP through relay and agent, over real sockets: what RFC 9110 to 9113 promise to a caller has to hold with
//! a tunnel in between, over HTTP/1.1 and HTTP/2, with TLS and without.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod aborted;
mod bodiless;
mod caller;
mod connections;
mod expect;
mod fields;
mod gigabyte;
mod heads;
mod interim;
mod limit;
mod locations;
mod paths;
mod script;
mod streaming;
mod trailers;
mod unread;
mod uploads;
mod websocket;
