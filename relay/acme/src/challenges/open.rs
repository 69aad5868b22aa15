//! The challenges that are open at the moment.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// What is shown, by where it is looked for. Clones are of the same ones.
pub(super) struct Open<V>(Arc<RwLock<HashMap<String, Entry<V>>>>);

struct Entry<V> {
    value: V,
    asked: Arc<AtomicBool>,
}

/// A proof that is shown until this is dropped.
#[must_use = "dropped, it is shown no longer"]
pub(crate) struct Shown {
    asked: Arc<AtomicBool>,
    /// Ends it.
    _entry: Box<dyn Any + Send>,
}

/// Takes its entry away when it is dropped, and no later one of the same place.
struct Guard<V> {
    open: Open<V>,
    place: String,
    asked: Arc<AtomicBool>,
}

impl<V: Clone + Send + Sync + 'static> Open<V> {
    pub(super) fn show(&self, place: &str, value: V) -> Shown {
        let asked = Arc::new(AtomicBool::new(false));
        self.entries(|entries| entries.insert(place.to_owned(), Entry { value, asked: asked.clone() }));
        let guard = Guard { open: self.clone(), place: place.to_owned(), asked: asked.clone() };
        Shown { asked, _entry: Box::new(guard) }
    }

    /// What is shown there, to somebody who has come for it.
    pub(super) fn ask(&self, place: &str) -> Option<V> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(place)?;
        entry.asked.store(true, Ordering::Relaxed);
        Some(entry.value.clone())
    }
}

impl<V> Open<V> {
    fn entries<T>(&self, with: impl FnOnce(&mut HashMap<String, Entry<V>>) -> T) -> T {
        with(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shown {
    /// Whether somebody has come for it.
    pub(crate) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl<V> Drop for Guard<V> {
    fn drop(&mut self) {
        self.open.entries(|entries| {
            if entries.get(&self.place).is_some_and(|entry| Arc::ptr_eq(&entry.asked, &self.asked)) {
                entries.remove(&self.place);
            }
        });
    }
}

impl<V> Clone for Open<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V> Default for Open<V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<V> fmt::Debug for Open<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").finish_non_exhaustive()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_there_until_it_is_dropped_and_a_later_one_stays() {
        let open = Open::default();
        assert_eq!(open.ask("a"), None::<u8>);
        let first = open.show("a", 1);
        assert!(!first.was_asked());
        assert_eq!(open.ask("a"), Some(1));
        assert!(first.was_asked());
        let second = open.show("a", 2);
        drop(first);
        assert_eq!(open.ask("a"), Some(2));
        drop(second);
        assert_eq!(open.ask("a"), None);
    }
}
