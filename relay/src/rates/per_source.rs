//! How often each source may do something at each tunnel.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gantz_shared::rate::Rate;
use lru::LruCache;

use super::Bucket;
use crate::sources::network;

/// See the module's head. Sources that were not seen for longest are forgotten when there are too many.
pub(crate) struct PerSource {
    rate: Rate,
    sources: Mutex<LruCache<(u64, IpAddr), Bucket>>,
}

impl PerSource {
    pub(crate) fn new(rate: Rate, capacity: NonZeroUsize) -> Self {
        Self { rate, sources: Mutex::new(LruCache::new(capacity)) }
    }

    /// Counts once more, at the tunnel of this id. The error is how long it takes until there may be another.
    pub(crate) fn take(&self, tunnel: u64, source: IpAddr) -> Result<(), Duration> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.get_or_insert_mut((tunnel, network(source)), || Bucket::new(self.rate)).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(rate: &str, capacity: usize) -> PerSource {
        PerSource::new(rate.parse().unwrap(), NonZeroUsize::new(capacity).unwrap())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_source_has_its_rate_at_each_tunnel() {
        let counted = counted("2/h", 8);
        assert!(counted.take(1, ip("2001:db8:1:2::1")).is_ok());
        assert!(counted.take(1, ip("2001:db8:1:2::2")).is_ok());
        let wait = counted.take(1, ip("2001:db8:1:2::3")).unwrap_err();
        assert!(wait > Duration::from_secs(900) && wait <= Duration::from_secs(1800), "{wait:?}");
        assert!(counted.take(1, ip("2001:db8:1:3::1")).is_ok(), "another network is another source");
        assert!(counted.take(2, ip("2001:db8:1:2::1")).is_ok(), "another tunnel is not its business");
    }

    #[test]
    fn the_table_is_bounded() {
        let counted = counted("1/h", 2);
        for last in 1..=100u8 {
            assert!(counted.take(1, IpAddr::from([192, 0, 2, last])).is_ok());
        }
        assert_eq!(counted.sources.lock().unwrap().len(), 2);
    }
}
