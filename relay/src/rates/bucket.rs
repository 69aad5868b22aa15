//! One rate, and how much of it is used up.

use std::time::Duration;

use gantz_shared::rate::Rate;
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Bucket {
    limiter: RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<std::time::Instant>>,
}

impl Bucket {
    pub(crate) fn new(rate: Rate) -> Self {
        // The interval is never zero: the default is never used.
        let quota = Quota::with_period(rate.interval()).unwrap_or(Quota::per_second(rate.burst()));
        Self { limiter: RateLimiter::direct_with_clock(quota.allow_burst(rate.burst()), MonotonicClock) }
    }

    /// Takes one. The error is how long it takes until there is another.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        self.limiter.check().map_err(|wait| wait.wait_time_from(MonotonicClock.now()))
    }
}
