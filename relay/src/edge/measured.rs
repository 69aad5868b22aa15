//! A request as it is counted, from its head to the end of its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Response;
use http::request::Parts;

use super::body::EdgeBody;
use super::route::Target;
use super::{Code, Edge};
use crate::metrics::{Answered, Metrics, Origin};
use crate::telemetry::RequestSpan;

/// See the module's head. Dropped when the answer is over, or when nobody waits for one any more.
pub(super) struct Measured {
    metrics: Arc<Metrics>,
    begun: Instant,
    /// How long it has waited for an agent that was away.
    held: Duration,
    is_answered: bool,
    /// Where it is exported.
    span: Option<RequestSpan>,
}

impl Measured {
    /// Its head has come.
    pub(super) fn begin(metrics: Arc<Metrics>) -> Self {
        metrics.in_flight.inc();
        Self { metrics, begun: Instant::now(), held: Duration::ZERO, is_answered: false, span: None }
    }

    /// It is a span from here on, if it is to be one; what the local server gets says so.
    pub(super) fn trace(&mut self, request: &mut Parts, edge: &Edge) {
        self.span = edge.config.traces.as_ref().and_then(|traces| traces.begin(request));
    }

    /// It is known where it goes.
    pub(super) fn routed(&mut self, target: &Target, edge: &Edge) {
        if let Some(span) = &mut self.span {
            let domain = edge.config.domain.as_str();
            match target {
                Target::Apex => span.leads_to("apex", domain.to_owned()),
                Target::Tunnel(name) => span.leads_to("tunnel", format!("{name}.{domain}")),
                Target::Only => span.leads_to("tunnel", domain.to_owned()),
                Target::Nothing => span.leads_to("nothing", domain.to_owned()),
            }
        }
    }

    /// It waits for an agent that is away, until this is dropped.
    pub(super) fn hold(&mut self) -> Held<'_> {
        self.metrics.held.inc();
        Held { since: Instant::now(), request: self }
    }

    /// The head of its answer goes out.
    pub(super) fn answer(&mut self, response: &Response<EdgeBody>) {
        self.is_answered = true;
        let origin = if response.body().is_upstreams() { Origin::Upstream } else { Origin::Edge };
        self.metrics.requests.of(Answered(response.status().into(), origin)).inc();
        let code = response.extensions().get::<Code>();
        if let Some(code) = code {
            self.metrics.answers.of(*code).inc();
        }
        if let Some(span) = &mut self.span {
            span.answered(response.status(), code.map(|code| code.row().1));
        }
        self.metrics.head.observe(self.taken());
    }

    fn taken(&self) -> Duration {
        self.begun.elapsed().saturating_sub(self.held)
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        if self.is_answered {
            self.metrics.request.observe(self.taken());
        }
    }
}

/// See [`Measured::hold`].
pub(super) struct Held<'a> {
    request: &'a mut Measured,
    since: Instant,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.request.held += self.since.elapsed();
        self.request.metrics.held.dec();
    }
}
