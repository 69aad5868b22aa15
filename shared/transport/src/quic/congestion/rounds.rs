//! The queue, by the clock: the least round trip of a round against the least of late. A least, since an acknowledgement may
//! wait at the peer (RFC 9000 §13.2.1) or in a radio's queue for others, and only the quickest has waited for nothing.

use std::time::{Duration, Instant};

/// How long a least round trip is believed at least; twice as long at most. The path may have got longer without a word.
/// Until that is noticed every loss counts, and that is CUBIC; so there is no hurry, and a queue that never drains should
/// not pass for the path: a bulk transfer's own window goes down and up again within this many seconds.
const MEMORY: Duration = Duration::from_secs(30);

/// Packets of which a least round trip says something: RFC 9406 §4.3's `N_RTT_SAMPLE`. A round has so many, however long
/// that takes.
const SAMPLES: u32 = 8;

/// See the module's head.
#[derive(Debug, Clone)]
pub(super) struct Rounds {
    /// When the packet is sent whose acknowledgement ends this round.
    begin: Option<Instant>,
    /// Least of this round, and of how many.
    least: Duration,
    samples: u32,
    /// Least of the round before.
    before: Duration,
    /// Least of this stretch of [`MEMORY`], of the one before, and when this one began.
    recent: Duration,
    older: Duration,
    since: Option<Instant>,
}

impl Rounds {
    pub(super) fn new() -> Self {
        let none = Duration::MAX;
        Self { begin: None, least: none, samples: 0, before: none, recent: none, older: none, since: None }
    }

    /// A packet that was `sent` has arrived, as known `now`.
    pub(super) fn acknowledged(&mut self, now: Instant, sent: Instant) {
        let took = now.saturating_duration_since(sent);
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= MEMORY {
            (self.older, self.recent, self.since) = (self.recent, Duration::MAX, Some(now));
        }
        self.recent = self.recent.min(took);
        let is_over = self.begin.is_none_or(|begin| sent >= begin && self.samples >= SAMPLES);
        if is_over {
            (self.before, self.least, self.samples, self.begin) = (self.least, Duration::MAX, 0, Some(now));
        }
        self.least = self.least.min(took);
        self.samples += 1;
    }

    /// The least round trip of late.
    pub(super) fn base(&self) -> Duration {
        self.recent.min(self.older)
    }

    /// What a round trip is now.
    pub(super) fn current(&self) -> Duration {
        match (self.samples >= SAMPLES, self.before) {
            (true, _) | (_, Duration::MAX) => self.least,
            (_, before) => before,
        }
    }

    /// How long a packet waits in queues now.
    pub(super) fn queue(&self) -> Duration {
        self.current().saturating_sub(self.base())
    }
}
