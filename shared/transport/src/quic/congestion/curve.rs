//! CUBIC's curve (RFC 9438 §4): after a loss up to where it was, there for a while, and beyond.

use std::time::Duration;

/// What is left of a window, of 1: §4.6's β.
pub(super) const LEFT: f64 = 0.7;

/// How steep the curve is, packets a cubed second: §5.1's C.
const STEEPNESS: f64 = 0.4;

/// Packets a round by which a Reno would grow that gave way as this does (§4.3's α), until it is where it was.
const RENO_GROWTH: f64 = 3.0 * (1.0 - LEFT) / (1.0 + LEFT);

/// Most that a window grows to in a round, as a multiple of it: §4.2.
const STEEPEST: f64 = 1.5;

/// See the module's head. Windows are in packets.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    /// Where the plateau is.
    plateau: f64,
    /// Seconds from the curve's beginning to the middle of the plateau: §4.2's K.
    rise: f64,
    /// How long it grows by now; what is not used does not count (§5.8).
    elapsed: Duration,
    /// What Reno would have by now: §4.3's W_est.
    reno: f64,
    /// The window before it gave way.
    prior: f64,
}

impl Curve {
    /// One that is at its plateau with `window`.
    pub(super) fn flat(window: f64) -> Self {
        Self { plateau: window, rise: 0.0, elapsed: Duration::ZERO, reno: window, prior: window }
    }

    /// The one after `window` had to give way, from [`LEFT`] of it on. Below the last plateau there are others who need
    /// room: then the new one is lower still (§4.7).
    pub(super) fn after(window: f64, last: Option<&Self>) -> Self {
        let gives_room = last.is_some_and(|last| window < last.plateau);
        let plateau = if gives_room { window * (1.0 + LEFT) / 2.0 } else { window };
        let begin = window * LEFT;
        let rise = ((plateau - begin).max(0.0) / STEEPNESS).cbrt();
        Self { plateau, rise, elapsed: Duration::ZERO, reno: begin, prior: window }
    }

    /// Packets are so much smaller now.
    pub(super) fn scale(&mut self, by: f64) {
        self.plateau *= by;
        self.reno *= by;
        self.prior *= by;
    }

    /// How much `window` grows with `share` of it acknowledged, `later` than the last time, with such a `round_trip`.
    pub(super) fn growth(&mut self, window: f64, share: f64, later: Duration, round_trip: Duration) -> f64 {
        self.elapsed += later.min(round_trip);
        self.reno += share * if self.reno < self.prior { RENO_GROWTH } else { 1.0 };
        let ahead = (self.elapsed + round_trip).as_secs_f64() - self.rise;
        let target = (self.plateau + STEEPNESS * ahead.powi(3)).clamp(window, window * STEEPEST);
        ((target - window) * share).max(self.reno - window).max(0.0)
    }

    /// Whether it is not yet at the middle of its plateau.
    pub(super) fn is_rising(&self) -> bool {
        self.elapsed.as_secs_f64() < self.rise
    }
}
