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

use super::Bucket;
use crate::sources::network;

/// See the module's head. Sources that were not seen for longest are forgotten when there are too many.
pub(crate) struct Guesses {
    rate: Rate,
    sources: Mutex<LruCache<(u64, IpAddr), Source>>,
}

struct Source {
    bucket: Bucket,
    /// Until then this source is not listened to.
    blocked: Option<Instant>,
}

impl Guesses {
    pub(crate) fn new(rate: Rate, capacity: NonZeroUsize) -> Self {
        Self { rate, sources: Mutex::new(LruCache::new(capacity)) }
    }

    /// Whether `source` may show a token to the tunnel of this id. The error is how long it has to wait.
    pub(crate) fn check(&self, tunnel: u64, source: IpAddr) -> Result<(), Duration> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        // Nearly always nobody has guessed.
        if sources.is_empty() {
            return Ok(());
        }
        let Some(Source { blocked: Some(until), .. }) = sources.get(&(tunnel, network(source))) else { return Ok(()) };
        match until.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Err(left),
            _ => Ok(()),
        }
    }

    /// Counts a wrong token. `true` when it was the last one for a while.
    pub(crate) fn failed(&self, tunnel: u64, source: IpAddr) -> bool {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Source { bucket: Bucket::new(self.rate), blocked: None };
        let source = sources.get_or_insert_mut((tunnel, network(source)), new);
        match source.bucket.take() {
            Ok(()) => false,
            Err(wait) => {
                source.blocked = Instant::now().checked_add(wait);
                true
            }
        }
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
            assert!(!guesses.failed(1, ip("192.0.2.1")));
        }
        assert!(guesses.failed(1, ip("192.0.2.1")));
        let wait = guesses.check(1, ip("192.0.2.1")).unwrap_err();
        assert!(wait > Duration::from_secs(600) && wait <= Duration::from_secs(1200), "{wait:?}");
        assert!(guesses.check(1, ip("192.0.2.2")).is_ok(), "a neighbour is another source");
        assert!(guesses.check(2, ip("192.0.2.1")).is_ok(), "another tunnel is not its business");
    }

    #[test]
    fn an_address_of_ipv6_counts_with_its_network() {
        let guesses = guesses("1/h", 8);
        assert!(!guesses.failed(1, ip("2001:db8:1:2::1")));
        assert!(guesses.failed(1, ip("2001:db8:1:2:ffff::9")));
        assert!(guesses.check(1, ip("2001:db8:1:2:8::8")).is_err());
        assert!(guesses.check(1, ip("2001:db8:1:3::1")).is_ok());
    }

    #[test]
    fn an_ipv4_address_in_ipv6_is_the_ipv4_address() {
        let guesses = guesses("1/h", 8);
        assert!(!guesses.failed(1, ip("192.0.2.1")));
        assert!(guesses.failed(1, ip("::ffff:192.0.2.1")));
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
