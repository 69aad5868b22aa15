//! Bodies that callers send or are sent: one at a time, each through another tunnel.

use std::time::Instant;

use gantz_tests::bench::payload::{Payload, SMALL};
use http::Method;
use serde_json::{Value, json};

use crate::callers::Tunnel;
use crate::role::say;

/// How many there are, each through a tunnel of its own.
pub(crate) const BODIES: usize = 8;

/// Which way they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Down,
    Up,
}

/// Has bodies of so many bytes go through [`BODIES`] of these tunnels, and says how that went, once it has said that it has
/// begun.
pub(crate) async fn run(tunnels: &[Tunnel], way: Way, bytes: u64) -> Value {
    let mut open = Vec::new();
    for index in 0..BODIES {
        let tunnel = &tunnels[index * tunnels.len() / BODIES];
        let mut connection = tunnel.connection().await;
        // Its agent has a connection to the local server then.
        tunnel.client.call(&mut connection, Method::GET, "/mcp", Payload::zeros(0)).await;
        open.push((tunnel, connection));
    }
    say(&json!({ "begun": "bodies" }));
    let begun = Instant::now();
    for (tunnel, connection) in &mut open {
        let (method, path, length, answer) = match way {
            Way::Down => (Method::GET, format!("/down/{bytes}"), 0, bytes),
            Way::Up => (Method::POST, "/up".to_owned(), bytes, SMALL as u64),
        };
        let came = tunnel.client.call(connection, method, &path, Payload::zeros(length)).await;
        assert_eq!(came, answer, "a body of another length");
    }
    let megabytes = bytes as f64 * BODIES as f64 / 1e6;
    json!({ "count": megabytes, "rate": megabytes / begun.elapsed().as_secs_f64() })
}
