//! Which listeners take connections now: not yet, where this process waits to take over, open, or gone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// All of a relay's. A clone is another handle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listeners(Arc<Mutex<Vec<(&'static str, Standing)>>>);

/// How one stands; of two of one name, the one that stands worse counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// It takes connections.
    Open,
    /// It will, when the process that has it is relieved.
    NotOpen,
    /// It does no more.
    Gone,
}

impl Listeners {
    /// One more, which is not open.
    pub(crate) fn add(&self, name: &'static str) -> Listening {
        let mut all = self.lock();
        all.push((name, Standing::NotOpen));
        Listening { all: self.clone(), place: all.len() - 1 }
    }

    /// Each by its name.
    pub(crate) fn look(&self) -> BTreeMap<&'static str, Standing> {
        let mut found = BTreeMap::new();
        for (name, standing) in self.lock().iter() {
            let worst = found.entry(*name).or_insert(*standing);
            *worst = (*worst).max(*standing);
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(&'static str, Standing)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by what listens. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Listening {
    all: Listeners,
    place: usize,
}

impl Listening {
    /// From now on it takes connections.
    pub(crate) fn open(&self) {
        self.set(Standing::Open);
    }

    fn set(&self, standing: Standing) {
        self.all.lock()[self.place].1 = standing;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.set(Standing::Gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_of_two_counts() {
        let listeners = Listeners::default();
        let (one, other) = (listeners.add("public"), listeners.add("public"));
        let look = || listeners.look()["public"];
        assert_eq!(look(), Standing::NotOpen);
        one.open();
        assert_eq!(look(), Standing::NotOpen);
        other.open();
        assert_eq!(look(), Standing::Open);
        drop(one);
        assert_eq!(look(), Standing::Gone);
    }
}
