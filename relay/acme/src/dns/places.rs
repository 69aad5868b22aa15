//! Who may have a TCP connection: so many of all, and so many of one source, which cannot take all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rates::network;
use crate::limits::{DNS_TCP_CONNECTIONS, DNS_TCP_PER_SOURCE};

/// Counts what is open.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    source: IpAddr,
    places: Places,
}

impl Places {
    pub(super) fn enter(&self, from: IpAddr) -> Option<Place> {
        let source = network(from);
        let mut open = self.open();
        if open.values().sum::<usize>() >= DNS_TCP_CONNECTIONS {
            return None;
        }
        let count = open.entry(source).or_default();
        if *count >= DNS_TCP_PER_SOURCE {
            return None;
        }
        *count += 1;
        Some(Place { source, places: self.clone() })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.open();
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
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_source_has_its_share_all_have_theirs_and_nothing_is_remembered() {
        let places = Places::default();
        let enter = |network: usize| places.enter(Ipv4Addr::new(192, 0, u8::try_from(network).unwrap(), 1).into());
        let mut taken: Vec<_> = (0..DNS_TCP_PER_SOURCE).map(|_| enter(0).unwrap()).collect();
        assert!(enter(0).is_none());
        taken.push(enter(1).unwrap());
        taken.remove(0);
        taken.push(enter(0).unwrap());
        taken.extend((2..200).filter_map(enter));
        assert_eq!(taken.len(), DNS_TCP_CONNECTIONS);
        assert!(enter(250).is_none());
        drop(taken);
        assert!(places.open().is_empty());
    }
}
