//! One way over a link that is narrow: it takes so many bits a second, keeps what comes faster in a queue, and loses what
//! no longer fits there, and packets at random besides. It never reorders.
//!
//! It knows no sockets and no clock: who forwards packets says when each came and how long it is, and is told when it
//! arrives at the other end.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// What a link is like, either way.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Bits a second.
    pub rate: f64,
    /// How long a packet takes, besides what it waits and what its length takes.
    pub delay: Duration,
    /// Bytes that may wait, with the packet that is being sent.
    pub queue: usize,
    /// Share that is lost at random, of 1.
    pub loss: f64,
    /// What the random is drawn from.
    pub seed: u64,
}

/// What has come to one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Passed {
    /// Packets.
    pub came: u64,
    /// Of these, those that were lost at random.
    pub lost: u64,
    /// Of these, those that the queue had no room for.
    pub overran: u64,
    /// How long those that went through have waited in the queue, all together.
    pub waited: Duration,
}

/// See the module's head.
#[derive(Debug)]
pub struct Bottleneck {
    shape: Shape,
    dice: StdRng,
    /// When all that waits has been sent.
    free: Option<Instant>,
    passed: Passed,
}

impl Bottleneck {
    /// Nothing has come yet.
    pub fn new(shape: Shape) -> Self {
        Self { shape, dice: StdRng::seed_from_u64(shape.seed), free: None, passed: Passed::default() }
    }

    /// A packet of so many bytes comes `now`, which is never before what came last. It arrives at the time given, or never.
    pub fn take(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let time_of = |bytes: usize| Duration::from_secs_f64(bytes as f64 * 8.0 / self.shape.rate);
        let (takes, longest) = (time_of(bytes), time_of(self.shape.queue));
        let wait = self.free.map_or(Duration::ZERO, |free| free.saturating_duration_since(now));
        self.passed.came += 1;
        // Always a throw: what one packet meets says nothing of what the next ones do.
        if self.dice.random::<f64>() < self.shape.loss {
            self.passed.lost += 1;
            return None;
        }
        if wait + takes > longest {
            self.passed.overran += 1;
            return None;
        }
        self.passed.waited += wait;
        let sent = now + wait + takes;
        self.free = Some(sent);
        Some(sent + self.shape.delay)
    }

    /// What has come so far.
    pub fn passed(&self) -> Passed {
        self.passed
    }
}

impl Passed {
    /// What has come since it was `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            came: self.came - before.came,
            lost: self.lost - before.lost,
            overran: self.overran - before.overran,
            waited: self.waited - before.waited,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A byte a millisecond, ten of which may wait, and 20 ms of delay.
    const SLOW: Shape = Shape { rate: 8_000.0, delay: Duration::from_millis(20), queue: 10, loss: 0.0, seed: 1 };

    fn after(begin: Instant, millis: u64) -> Option<Instant> {
        Some(begin + Duration::from_millis(millis))
    }

    #[test]
    fn a_packet_takes_its_length_and_the_delay_and_those_behind_it_wait() {
        let (begin, mut way) = (Instant::now(), Bottleneck::new(SLOW));
        assert_eq!(way.take(begin, 4), after(begin, 24));
        assert_eq!(way.take(begin, 4), after(begin, 28));
        let later = begin + Duration::from_millis(7);
        assert_eq!(way.take(later, 4), after(begin, 32));
        let idle = begin + Duration::from_millis(100);
        assert_eq!(way.take(idle, 1), after(begin, 121));
        assert_eq!(way.passed(), Passed { came: 4, waited: Duration::from_millis(5), ..Passed::default() });
    }

    #[test]
    fn what_the_queue_has_no_room_for_is_lost_and_takes_nothing() {
        let (begin, mut way) = (Instant::now(), Bottleneck::new(SLOW));
        assert_eq!(way.take(begin, 6), after(begin, 26));
        assert_eq!(way.take(begin, 5), None);
        assert_eq!(way.take(begin, 4), after(begin, 30));
        assert_eq!(way.take(begin, 1), None);
        let passed = way.passed();
        assert_eq!((passed.came, passed.lost, passed.overran), (4, 0, 2));
    }

    #[test]
    fn about_as_many_are_lost_at_random_as_was_said_and_the_same_ones_each_time() {
        let fates = || {
            let mut way = Bottleneck::new(Shape { rate: 1e9, queue: 100_000, loss: 0.02, ..SLOW });
            let begin = Instant::now();
            (0..10_000).map(|_| way.take(begin, 1).is_some()).collect::<Vec<_>>()
        };
        let lost = fates().iter().filter(|arrives| !**arrives).count();
        assert!((150..250).contains(&lost), "{lost} of 10,000");
        assert_eq!(fates(), fates());
    }
}
