//! Which worker serves a connection of the public: the one that drives the tunnel that it leads to, so that a call and its
//! tunnel do not wake each other across threads. That is looked up once a connection, by what it says first, of which
//! nothing is taken from it. Nothing depends on it but speed: wherever a connection is served, it may call every tunnel
//! that it may name.

use std::net::SocketAddr;

use gantz_shared::authority;
use gantz_transport::runtime::{Busy, is_on};
use gantz_transport::tcp;
use rustls::server::ClientHello;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Edge;
use crate::directory::Found;
use crate::metrics::Connected;
use crate::tls::Begun;

/// Bytes of a request in clear in which its `Host` is looked for. One that comes later is served where it is.
const FIRST_BYTES: usize = 1024;

/// A connection that another worker is to serve.
pub(super) struct Moved {
    pub(super) runtime: Handle,
    pub(super) peer: SocketAddr,
    pub(super) step: Step,
}

/// How far it has got.
pub(super) enum Step {
    /// It is in clear, and nothing of it has been read. Counted as open.
    Plain(std::net::TcpStream, Connected),
    /// Its handshake has begun, and has to be over by then. An agent's keeps the worker busy already.
    Shaking(Begun, Instant, Option<Busy>),
}

/// What a connection in clear leads to.
pub(super) enum Leads {
    /// It may be served here.
    Here,
    /// To another worker.
    To(Handle),
    /// Nowhere: it says nothing.
    Nowhere,
}

impl Edge {
    /// Where a handshake leads that begins so, if that is another worker. Agents that come over TCP go to the one with the
    /// least to do, which is `busy` with them from then on: many may be shaking hands at once.
    pub(super) fn other_worker(&self, hello: &ClientHello<'_>, busy: &mut Option<Busy>) -> Option<Handle> {
        if hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == tcp::ALPN)) {
            let least = self.workers.least_busy();
            *busy = Some(least.take());
            return (!is_on(least.runtime())).then(|| least.runtime().clone());
        }
        self.drives(hello.server_name()?)
    }

    /// Where a connection in clear leads, once it says something. Cancel-safe.
    pub(super) async fn leads(&self, stream: &TcpStream, stop: &CancellationToken) -> Leads {
        let mut first = [0; FIRST_BYTES];
        let peeking = timeout(self.config.limits.deadlines.first_byte, stream.peek(&mut first));
        match stop.run_until_cancelled(peeking).await {
            Some(Ok(Ok(length))) => {
                let host = first.get(..length).and_then(host).and_then(|host| self.drives(host));
                host.map_or(Leads::Here, Leads::To)
            }
            Some(Err(_)) => Leads::Nowhere,
            // What is wrong with it is said where it is served, and there the relay's end is known, too.
            Some(Ok(Err(_))) | None => Leads::Here,
        }
    }

    /// The worker that drives the tunnel of `host`, where that is not this one.
    fn drives(&self, host: &str) -> Option<Handle> {
        let (host, _) = authority::parse(host).ok()?;
        let Found::Here(tunnel) = self.directory.find(host.label_under(self.config.domain.as_str())?) else {
            return None;
        };
        (!is_on(tunnel.runtime())).then(|| tunnel.runtime().clone())
    }
}

/// What the first `Host` of a request says, should its line be in the first bytes of the head. Whether it is well-formed is
/// not asked here.
fn host(first: &[u8]) -> Option<&str> {
    let name = b"host:";
    let mut lines = first.split(|byte| *byte == b'\n').take_while(|line| *line != b"\r");
    let line = lines.find(|line| {
        line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) && line.ends_with(b"\r")
    })?;
    std::str::from_utf8(line.get(name.len()..)?.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_where_its_line_is_whole() {
        for (first, expected) in [
            ("GET / HTTP/1.1\r\nHost: cool.relay.test\r\n\r\n", Some("cool.relay.test")),
            ("GET / HTTP/1.1\r\nAccept: */*\r\nhOST:cool.relay.test:8443 \r\nX: y", Some("cool.relay.test:8443")),
            ("GET / HTTP/1.1\r\nHost: cool.rel", None),
            ("GET / HTTP/1.1\r\nX-Host: cool.relay.test\r\n", None),
            ("POST / HTTP/1.1\r\n\r\nHost: in.a.body\r\n", None),
            ("Host", None),
            ("", None),
        ] {
            assert_eq!(host(first.as_bytes()), expected, "{first:?}");
        }
    }
}
