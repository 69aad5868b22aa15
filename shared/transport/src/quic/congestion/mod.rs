//! How much may be on its way: CUBIC (RFC 9438) that first looks at what a loss means. A link that loses at random, as
//! radio does, is not fuller for it, and CUBIC, which takes every loss for a full queue, is left with the twentieth part of
//! such a link. Here a loss counts only where the round trip shows a queue, or where there are too many of them for chance.
//!
//! - A round trip's least time over [a round](rounds) against its least of late is the queue, as in TCP Veno (Fu, Liew:
//!   *TCP Veno*, IEEE JSAC 2003) and HyStart++ (RFC 9406), whose way out of slow start this has.
//! - [Losses](losses) beyond a share of all that is sent count without a queue, too: there are links with next to none,
//!   and policers have none at all.
//! - While the round trip shows no queue, the window [grows](window) by a share of itself, and not by CUBIC's curve.
//!
//! A queue that is seen where there is none makes every loss count, and that is CUBIC. One that is there and too short to be
//! seen (some 3 ms and less) costs CUBIC's connections beside this one much of their share, as BBR does.

mod curve;
mod losses;
mod rounds;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod window;

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn_proto::RttEstimator;
use quinn_proto::congestion::{Controller, ControllerFactory, ControllerMetrics};

use self::window::Window;

/// Makes one for each path: a new one begins anew (RFC 9000 §9.4), but that of a peer behind whose NAT only the port has
/// changed.
#[derive(Debug)]
pub(super) struct Factory;

impl ControllerFactory for Factory {
    fn build(self: Arc<Self>, _now: Instant, mtu: u16) -> Box<dyn Controller> {
        Box::new(Control(Window::new(mtu)))
    }
}

/// quinn's side of a [`Window`].
#[derive(Debug, Clone)]
struct Control(Window);

impl Controller for Control {
    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, _: &RttEstimator) {
        self.0.acknowledged(now, sent, bytes, app_limited);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, _app_limited: bool, _largest: Option<u64>) {
        self.0.settle(now, in_flight);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        if is_persistent_congestion {
            self.0.collapse(now);
        } else {
            self.0.lost(now, sent, lost_bytes);
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.0.set_mtu(new_mtu);
    }

    fn window(&self) -> u64 {
        self.0.bytes()
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        metrics.congestion_window = self.0.bytes();
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.0.initial()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
