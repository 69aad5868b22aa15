//! The directory of a relay that stands alone: a map.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use gantz_shared::name::Name;
use tokio::sync::Notify;

use super::{ClaimError, Directory, Found, Right};
use crate::config::{AWAY_KEPT, MAX_AWAY, RETURN_WINDOW};
use crate::tunnels::Tunnel;

enum Entry {
    Here(Arc<Tunnel>),
    Away { since: Instant, claimed: u64, back: Arc<Notify> },
}

/// See the module's head.
pub(crate) struct Memory {
    entries: RwLock<HashMap<Name, Entry>>,
    /// Names that it takes in, with those that are away.
    max: usize,
    /// When the relay was started again; the agents of before are on their way back.
    restarted: Option<Instant>,
    /// Tells that some name was claimed.
    claimed: Arc<Notify>,
}

impl Memory {
    /// An empty one, for so many tunnels; of a relay that was there before, with agents that come back.
    pub(crate) fn new(max_tunnels: usize, was_restarted: bool) -> Self {
        let restarted = was_restarted.then(Instant::now);
        Self {
            entries: RwLock::default(),
            max: max_tunnels.saturating_add(MAX_AWAY),
            restarted,
            claimed: Arc::default(),
        }
    }

    /// Whether agents of before a restart may still be on their way back.
    fn is_returning(&self) -> bool {
        self.restarted.is_some_and(|at| at.elapsed() < RETURN_WINDOW)
    }

    fn found(&self, entry: Option<&Entry>) -> Found {
        match entry {
            Some(Entry::Here(tunnel)) => Found::Here(tunnel.clone()),
            Some(Entry::Away { since, back, .. }) if since.elapsed() < AWAY_KEPT => Found::Away(back.clone()),
            _ if self.is_returning() => Found::Away(self.claimed.clone()),
            _ => Found::Unknown,
        }
    }

    // A poisoned lock is used all the same: no change under it is made in more than one step.
    fn read(&self) -> RwLockReadGuard<'_, HashMap<Name, Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Name, Entry>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory for Memory {
    fn find(&self, name: &str) -> Found {
        self.found(self.read().get(name))
    }

    fn only(&self) -> Found {
        self.found(self.read().values().next())
    }

    fn claim(&self, tunnel: &Arc<Tunnel>, right: Right) -> Result<Option<Arc<Tunnel>>, ClaimError> {
        let mut entries = self.write();
        let name = tunnel.name();
        let holder = match entries.get(name) {
            Some(Entry::Here(holder)) => Some(holder.claimed()),
            Some(Entry::Away { since, claimed, .. }) if since.elapsed() < AWAY_KEPT => Some(*claimed),
            Some(Entry::Away { .. }) | None => None,
        };
        let free = holder.is_none();
        let is_holders = right == Right::Ticket && holder == Some(tunnel.claimed());
        if !free && !is_holders {
            return Err(ClaimError::Taken(name.clone()));
        }
        if free && right == Right::First && self.is_returning() {
            return Err(ClaimError::Kept);
        }
        if free && entries.len() >= self.max {
            return Err(ClaimError::Full);
        }
        self.claimed.notify_waiters();
        Ok(match entries.insert(name.clone(), Entry::Here(tunnel.clone())) {
            Some(Entry::Here(ghost)) => Some(ghost),
            Some(Entry::Away { back, .. }) => {
                back.notify_waiters();
                None
            }
            None => None,
        })
    }

    fn release(&self, tunnel: &Tunnel, come_back: bool) {
        let mut entries = self.write();
        let is_holder = matches!(entries.get(tunnel.name()), Some(Entry::Here(holder)) if holder.id() == tunnel.id());
        if !is_holder {
            return;
        }
        if come_back {
            entries.insert(
                tunnel.name().clone(),
                Entry::Away { since: Instant::now(), claimed: tunnel.claimed(), back: Arc::default() },
            );
            forget_surplus(&mut entries);
        } else {
            entries.remove(tunnel.name());
        }
    }
}

/// Drops the names whose holders are too long away, and the longest away when there are too many.
fn forget_surplus(entries: &mut HashMap<Name, Entry>) {
    let mut away: Vec<(Instant, Name)> = entries
        .iter()
        .filter_map(|(name, entry)| match entry {
            Entry::Away { since, .. } => Some((*since, name.clone())),
            Entry::Here(_) => None,
        })
        .collect();
    if away.len() <= MAX_AWAY {
        return;
    }
    away.sort_unstable_by_key(|(since, _)| *since);
    for (_, name) in away.drain(..away.len() - MAX_AWAY) {
        entries.remove(&name);
    }
}
