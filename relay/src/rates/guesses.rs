//! Wrong tokens, counted by tunnel and by where they come from. An address of IPv6 counts with all of its /64: whoever
//! has one has them all. By tunnel, because hosted clients share addresses: what one of their users does wrong must not
//! cut off the others, and a guess is for one tunnel anyway.
//!
//! A source that has used up its guesses is not compared with any token until it may guess again, so that a right guess
//! is worth as little as a wrong one.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gantz_shared::rate::Rate;
use lru::LruCache;

use crate::sources::network;

/// See the module's head. Sources that were not seen for longest are forgotten when there are too many.
pub(crate) struct Guesses {
    rate: Rate,
    begun: Instant,
    sources: Mutex<LruCache<(u64, IpAddr), Source>>,
}

/// When what a source has guessed will be made up for, counted from when counting began: each guess adds an interval of
/// the rate (the virtual scheduling of GCRA). Those that are compared at the same moment, on several processors, all count.
#[derive(Debug, Clone, Copy, Default)]
struct Source {
    even: Duration,
}

impl Guesses {
    pub(crate) fn new(rate: Rate, capacity: NonZeroUsize) -> Self {
        Self { rate, begun: Instant::now(), sources: Mutex::new(LruCache::new(capacity)) }
    }

    /// Whether `source` may show a token to the tunnel of this id. The error is how long it has to wait.
    pub(crate) fn check(&self, tunnel: u64, source: IpAddr) -> Result<(), Duration> {
        self.check_at(self.begun.elapsed(), tunnel, source)
    }

    /// Counts a wrong token.
    pub(crate) fn failed(&self, tunnel: u64, source: IpAddr) {
        self.failed_at(self.begun.elapsed(), tunnel, source);
    }

    fn check_at(&self, now: Duration, tunnel: u64, source: IpAddr) -> Result<(), Duration> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        // Nearly always nobody has guessed.
        if sources.is_empty() {
            return Ok(());
        }
        let Some(source) = sources.get(&(tunnel, network(source))) else { return Ok(()) };
        let ahead = self.rate.interval().saturating_mul(self.rate.burst().get() - 1);
        match source.even.saturating_sub(now.saturating_add(ahead)) {
            Duration::ZERO => Ok(()),
            wait => Err(wait),
        }
    }

    fn failed_at(&self, now: Duration, tunnel: u64, source: IpAddr) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let source = sources.get_or_insert_mut((tunnel, network(source)), Source::default);
        source.even = source.even.max(now).saturating_add(self.rate.interval());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guesses(rate: &str, capacity: usize) -> Guesses {
        Guesses::new(rate.parse().unwrap(), NonZeroUsize::new(capacity).unwrap())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn whoever_guesses_too_often_has_to_wait() {
        let guesses = guesses("3/h", 8);
        for _ in 0..3 {
            assert!(guesses.check(1, ip("192.0.2.1")).is_ok());
            guesses.failed(1, ip("192.0.2.1"));
        }
        let wait = guesses.check(1, ip("192.0.2.1")).unwrap_err();
        assert!(wait > Duration::from_secs(600) && wait <= Duration::from_secs(1200), "{wait:?}");
        assert!(guesses.check(1, ip("192.0.2.2")).is_ok(), "a neighbour is another source");
        assert!(guesses.check(2, ip("192.0.2.1")).is_ok(), "another tunnel is not its business");
    }

    /// Whoever guesses as often as it can, for an hour: as many comparisons as the rate says.
    #[test]
    fn the_rate_is_exact() {
        for (rate, expected) in [("1/s:30", 30 + 3600), ("2/s", 2 + 7200), ("10/min:1", 1 + 600), ("1/h", 2)] {
            let guesses = guesses(rate, 8);
            let mut compared = 0;
            for now in (0..=3_600_000).step_by(50).map(Duration::from_millis) {
                while guesses.check_at(now, 1, ip("192.0.2.1")).is_ok() {
                    guesses.failed_at(now, 1, ip("192.0.2.1"));
                    compared += 1;
                }
            }
            assert_eq!(compared, expected, "{rate}");
        }
    }

    #[test]
    fn what_is_compared_at_once_counts_afterwards() {
        let guesses = guesses("1/s", 8);
        (0..4).for_each(|_| guesses.failed_at(Duration::ZERO, 1, ip("192.0.2.1")));
        let wait = |now| guesses.check_at(Duration::from_secs(now), 1, ip("192.0.2.1"));
        assert_eq!((wait(0), wait(3), wait(4)), (Err(Duration::from_secs(4)), Err(Duration::from_secs(1)), Ok(())));
    }

    #[test]
    fn an_address_of_ipv6_counts_with_its_network() {
        let guesses = guesses("2/h", 8);
        guesses.failed(1, ip("2001:db8:1:2::1"));
        guesses.failed(1, ip("2001:db8:1:2:ffff::9"));
        assert!(guesses.check(1, ip("2001:db8:1:2:8::8")).is_err());
        assert!(guesses.check(1, ip("2001:db8:1:3::1")).is_ok());
    }

    #[test]
    fn an_ipv4_address_in_ipv6_is_the_ipv4_address() {
        let guesses = guesses("1/h", 8);
        guesses.failed(1, ip("192.0.2.1"));
        assert!(guesses.check(1, ip("::ffff:192.0.2.1")).is_err());
    }

    #[test]
    fn the_table_is_bounded() {
        let guesses = guesses("1/h", 2);
        for last in 1..=100u8 {
            guesses.failed(1, IpAddr::from([192, 0, 2, last]));
        }
        assert_eq!(guesses.sources.lock().unwrap().len(), 2);
    }
}
