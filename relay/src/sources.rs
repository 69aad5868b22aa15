//! Where connections come from, and how many of them there are from each place.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// What counts as one source: an address. One of IPv6 counts with all of its /64, because whoever has one has them all.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

/// Counts what is open, by source. As large as what is open, and so as bounded as that.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    max: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// There are as many from this source as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Sources {
    /// At most `max` from each source.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, open: Arc::default() }
    }

    /// One more from `address`, until the place is dropped.
    pub(crate) fn enter(&self, address: IpAddr) -> Result<Place, TooMany> {
        let source = network(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&source).copied().unwrap_or(0);
        if count >= self.max {
            return Err(TooMany);
        }
        open.insert(source, count + 1);
        Ok(Place { source, open: self.open.clone() })
    }
}

/// One of those that are open.
#[derive(Debug)]
pub(crate) struct Place {
    source: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_so_many_places_and_the_table_forgets_it() {
        let sources = Sources::new(2);
        let enter = |address: &str| sources.enter(address.parse().unwrap());
        let first = enter("2001:db8::1").unwrap();
        let second = enter("2001:db8::2").unwrap();
        assert_eq!(enter("2001:db8::3").err(), Some(TooMany));
        let other = enter("2001:db8:0:1::1").unwrap();
        drop(first);
        let third = enter("2001:db8::4").unwrap();
        drop((second, third, other));
        assert!(sources.open.lock().unwrap().is_empty());
    }
}
