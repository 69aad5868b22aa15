//! What the relay counts, for Prometheus.
//!
//! ```text
//! edge, tunnels ─▶ handles ──────────────┐
//! roster, certificate, audit log, /proc ─┴─▶ registry ─▶ text ─▶ GET /metrics (admin)
//! ```
//!
//! Who counts has a handle: counting is an addition to an atomic, without a lock, a lookup or an allocation. The rest is
//! looked up when it is asked for. What always holds: no label has a value that a caller or an agent can choose, and no
//! token, path, name or session is in one.

mod durations;
mod labelled;
mod labels;
mod process;
mod said;
mod text;
mod tunnels;
mod upkeep;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub(crate) use durations::Durations;
pub(crate) use labelled::{Label, Labelled};
pub(crate) use labels::*;
pub(crate) use text::Form;

use crate::audit::Log;
use crate::edge::Code;
use crate::tls::Current;
use crate::tunnels::Greeter;

/// What is counted where it happens.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) tunnels_opened: Counter,
    pub(crate) tunnels_closed: Labelled<Closed, Counter>,
    pub(crate) tunnels_refused: Labelled<NoTunnel, Counter>,
    pub(crate) connections: Labelled<Protocol, Gauge>,
    pub(crate) connections_opened: Labelled<Protocol, Counter>,
    pub(crate) connections_refused: Labelled<NoConnection, Counter>,
    pub(crate) requests: Labelled<Answered, Counter>,
    pub(crate) answers: Labelled<Code, Counter>,
    pub(crate) auth_failures: Labelled<AuthFailure, Counter>,
    pub(crate) in_flight: Gauge,
    pub(crate) held: Gauge,
    pub(crate) body_bytes: Labelled<Direction, Counter>,
    pub(crate) head: Durations,
    pub(crate) request: Durations,
}

impl Metrics {
    /// A connection of the public begins to speak.
    pub(crate) fn connect(&self, protocol: Protocol) -> Connected {
        self.connections_opened.of(protocol).inc();
        let open = self.connections.of(protocol).clone();
        open.inc();
        Connected(open)
    }

    /// The library writes a full stop behind each help, and `_total` behind the names of counters.
    fn register(&self, to: &mut Registry) {
        to.register("gantz_tunnels_opened", "Tunnels that were opened", self.tunnels_opened.clone());
        to.register("gantz_tunnels_closed", "Tunnels that were closed", self.tunnels_closed.clone());
        to.register("gantz_tunnels_refused", "Agents that got no tunnel", self.tunnels_refused.clone());
        to.register("gantz_connections", "Open connections of the public", self.connections.clone());
        let help = "Connections of the public that have begun to speak";
        to.register("gantz_connections_opened", help, self.connections_opened.clone());
        let help = "Connections of the public that were closed before they spoke";
        to.register("gantz_connections_refused", help, self.connections_refused.clone());
        to.register("gantz_requests", "Requests that were answered", self.requests.clone());
        let help = "Answers that the relay made itself, by their Gantz-Error";
        to.register("gantz_answers", help, self.answers.clone());
        let help = "Callers that were turned away for their token";
        to.register("gantz_auth_failures", help, self.auth_failures.clone());
        let help = "Requests whose answer is not over, upgraded connections among them";
        to.register("gantz_requests_in_flight", help, self.in_flight.clone());
        to.register("gantz_requests_held", "Requests that wait for an agent that is away", self.held.clone());
        let help = "Bytes of bodies and upgraded connections, from callers (in) and to them (out)";
        to.register("gantz_body_bytes", help, self.body_bytes.clone());
        let help = "From a request's head to the head of its answer, without the time that it was held";
        to.register("gantz_head_duration_seconds", help, self.head.clone());
        let help = "From a request's head to the end of its answer, without the time that it was held";
        to.register("gantz_request_duration_seconds", help, self.request.clone());
    }
}

/// An open connection of the public. Dropped, it is closed.
#[derive(Debug)]
pub(crate) struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What is looked up at a scrape.
pub(crate) struct Sources {
    pub(crate) greeter: Arc<Greeter>,
    /// The certificate that callers are shown, if they are.
    pub(crate) certificate: Option<Arc<Current>>,
    /// Whether this relay orders it itself.
    pub(crate) is_ordered: bool,
    pub(crate) audit: Log,
}

/// Everything that is told.
pub(crate) fn registry(metrics: &Metrics, sources: Sources) -> Registry {
    let mut registry = Registry::default();
    registry.register("gantz_build", "The relay's version", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    registry.register("gantz_start_time_seconds", "When the relay was started, since 1970", ConstGauge::new(started));
    metrics.register(&mut registry);
    let Sources { greeter, certificate, is_ordered, audit } = sources;
    registry.register_collector(Box::new(tunnels::Tunnels::new(greeter)));
    registry.register_collector(Box::new(upkeep::Upkeep { certificate, is_ordered, audit }));
    registry.register_collector(Box::new(process::Process));
    registry
}
