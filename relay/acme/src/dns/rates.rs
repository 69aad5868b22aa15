//! How often each source is answered over UDP, where a sender's address may be somebody else's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU32, NonZeroUsize};

use governor::clock::MonotonicClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use lru::LruCache;

use crate::limits::{DNS_ALL, DNS_BURST, DNS_PER_SOURCE, DNS_SOURCES};

type Bucket = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<std::time::Instant>>;

/// What becomes of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Answer,
    /// Too many from this source.
    ComeByTcp,
    /// Too many of all.
    Drop,
}

/// Remembers the sources that asked last.
#[derive(Debug)]
pub(super) struct Rates {
    all: Bucket,
    sources: LruCache<IpAddr, Bucket>,
}

impl Rates {
    pub(super) fn new() -> Self {
        let sources = NonZeroUsize::new(DNS_SOURCES).unwrap_or(NonZeroUsize::MIN);
        Self { all: bucket(DNS_ALL, DNS_ALL), sources: LruCache::new(sources) }
    }

    pub(super) fn ask(&mut self, from: IpAddr) -> Verdict {
        if self.all.check().is_err() {
            return Verdict::Drop;
        }
        let source = self.sources.get_or_insert(network(from), || bucket(DNS_PER_SOURCE, DNS_BURST));
        if source.check().is_ok() { Verdict::Answer } else { Verdict::ComeByTcp }
    }
}

/// So many a second.
fn bucket(times: u32, burst: u32) -> Bucket {
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::per_second(at_least_one(times)).allow_burst(at_least_one(burst));
    RateLimiter::direct_with_clock(quota, MonotonicClock)
}

/// What counts as one source: whoever is flooded with answers is flooded with those to its neighbours as well.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() >> 8 << 8).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 72 << 72).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_asks_too_often_is_sent_to_tcp_and_others_are_not() {
        let mut rates = Rates::new();
        for number in 0..DNS_BURST {
            let from = Ipv4Addr::new(192, 0, 2, u8::try_from(number % 256).unwrap());
            assert_eq!(rates.ask(from.into()), Verdict::Answer);
        }
        assert_eq!(rates.ask(Ipv4Addr::new(192, 0, 2, 7).into()), Verdict::ComeByTcp);
        assert_eq!(rates.ask(Ipv4Addr::new(192, 0, 3, 7).into()), Verdict::Answer);
        assert_eq!(rates.ask("2001:db8::1".parse().unwrap()), Verdict::Answer);
    }

    #[test]
    fn all_together_have_a_limit_and_no_more_sources_are_remembered_than_there_may_be() {
        let mut rates = Rates::new();
        let verdicts: Vec<_> =
            (0..DNS_ALL + 1000).map(|number| rates.ask(Ipv4Addr::from_bits(number << 8).into())).collect();
        assert_eq!(verdicts[0], Verdict::Answer);
        assert!(verdicts.contains(&Verdict::Drop));
        assert!(rates.sources.len() <= DNS_SOURCES);
    }
}
