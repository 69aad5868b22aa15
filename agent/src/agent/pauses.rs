//! How long to wait before another try.

use std::time::Duration;

use rand::RngExt;

/// Pauses that grow, each drawn evenly from nothing to its length, so that the agents of a relay that restarts do not come
/// back all at once.
pub(super) struct Pauses {
    next: Duration,
    most: Duration,
}

impl Pauses {
    pub(super) fn new(first: Duration, most: Duration) -> Self {
        Self { next: first, most }
    }

    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.most);
        pause.mul_f64(rand::rng().random::<f64>())
    }
}
