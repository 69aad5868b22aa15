//! How many names may get their first certificate: certificate authorities count them by the registered domain, for
//! everybody who has names under it, and over a week (Let's Encrypt: 50 in 7 days). It is counted over restarts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use tokio::sync::watch;

use crate::limits::NAMES_WEEK;
use crate::store::{Kept, Store, StoreError};
use crate::trouble::Trouble;

/// Until it is looked again when all places are taken by orders that have not ended.
const UNDER_WAY: Duration = Duration::from_secs(60);

/// See the module's head.
pub(super) struct Budget {
    max: u32,
    counts: Mutex<Counts>,
    store: Store,
    /// One at a time writes them down.
    writing: tokio::sync::Mutex<()>,
    reached: watch::Sender<Option<OffsetDateTime>>,
}

#[derive(Default)]
struct Counts {
    /// Seconds since 1970, the earliest first.
    issued: Vec<u64>,
    under_way: u32,
}

/// A place for one order. Dropped before it is spent it is free again.
pub(crate) struct Place {
    budget: Arc<Budget>,
    is_spent: bool,
}

impl Budget {
    pub(super) fn load(store: &Store, max: u32) -> Result<Arc<Self>, StoreError> {
        let mut issued = match store.issued()? {
            Kept::Good(issued) => issued,
            Kept::Nothing => Vec::new(),
            Kept::SetAside(aside, why) => {
                tracing::warn!(%why, aside = %aside.display(), "it is not known how many certificates were issued for names");
                Vec::new()
            }
        };
        // A clock that was set back does not keep names waiting for ever.
        let now = seconds(SystemTime::now());
        issued.iter_mut().for_each(|at| *at = (*at).min(now));
        issued.sort_unstable();
        let counts = Mutex::new(Counts { issued, under_way: 0 });
        let (reached, _) = watch::channel(None);
        Ok(Arc::new(Self { max, counts, store: store.clone(), writing: tokio::sync::Mutex::default(), reached }))
    }

    /// Until when no other name gets a certificate; `None` where one may.
    pub(super) fn reached(&self) -> watch::Receiver<Option<OffsetDateTime>> {
        self.reached.subscribe()
    }

    /// A place for one more name.
    pub(super) fn reserve(self: &Arc<Self>, now: SystemTime) -> Result<Place, Trouble> {
        let until = {
            let mut counts = self.counts();
            counts.forget(now);
            let max = usize::try_from(self.max).unwrap_or(usize::MAX);
            let taken = counts.issued.len().saturating_add(usize::try_from(counts.under_way).unwrap_or(usize::MAX));
            if taken < max {
                counts.under_way += 1;
                None
            } else {
                let first = counts.issued.len().checked_sub(max).and_then(|over| counts.issued.get(over));
                Some(match first {
                    Some(at) => UNIX_EPOCH + Duration::from_secs(*at) + NAMES_WEEK,
                    None => now + UNDER_WAY,
                })
            }
        };
        let Some(until) = until.map(OffsetDateTime::from) else {
            self.reached.send_if_modified(|reached| reached.take().is_some());
            return Ok(Place { budget: self.clone(), is_spent: false });
        };
        let until = until.replace_nanosecond(0).unwrap_or(until);
        let is_new = self.reached.send_if_modified(|reached| reached.replace(until).is_none());
        if is_new {
            tracing::warn!(
                names_per_week = self.max,
                %until,
                "no other name gets a certificate until then: its tunnel is open, and nobody can call it"
            );
        }
        Err(Trouble::NamesPerWeek { max: self.max, until })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn forget(&mut self, now: SystemTime) {
        let since = seconds(now).saturating_sub(NAMES_WEEK.as_secs());
        self.issued.retain(|at| *at > since);
    }
}

impl Place {
    /// It counts from now on, whatever comes of the order. When this returns it is written down.
    pub(crate) async fn spend(mut self) -> Result<(), StoreError> {
        let _alone = self.budget.writing.lock().await;
        let issued = {
            let mut counts = self.budget.counts();
            counts.under_way = counts.under_way.saturating_sub(1);
            counts.issued.push(seconds(SystemTime::now()));
            counts.issued.clone()
        };
        self.is_spent = true;
        self.budget.store.keep_issued(&issued).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_spent {
            let mut counts = self.budget.counts();
            counts.under_way = counts.under_way.saturating_sub(1);
        }
    }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    fn budget(folder: &std::path::Path, max: u32) -> Arc<Budget> {
        let store = Store::open(&Settings::new("relay.example", folder.to_owned())).unwrap();
        Budget::load(&store, max).unwrap()
    }

    #[tokio::test]
    async fn what_is_spent_counts_over_restarts_for_a_week_and_what_came_to_nothing_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let first = budget(folder.path(), 2);
        drop(first.reserve(now).expect("a place"));
        for _ in 0..2 {
            first.reserve(now).expect("a place").spend().await.unwrap();
        }
        assert!(first.reserve(now).is_err());
        drop(first);

        let again = budget(folder.path(), 2);
        let reached = again.reached();
        assert_eq!(*reached.borrow(), None);
        let Err(Trouble::NamesPerWeek { max: 2, until }) = again.reserve(now) else { panic!("over the limit") };
        assert_eq!(*reached.borrow(), Some(until));
        let until = SystemTime::from(until);
        assert!(until >= now + NAMES_WEEK - Duration::from_secs(2), "{until:?}");
        assert!(again.reserve(until + Duration::from_secs(2)).is_ok());
        assert_eq!(*reached.borrow(), None);
    }

    #[tokio::test]
    async fn orders_that_are_under_way_have_their_places() {
        let folder = tempfile::tempdir().unwrap();
        let budget = budget(folder.path(), 1);
        let now = SystemTime::now();
        let place = budget.reserve(now).expect("a place");
        assert!(budget.reserve(now).is_err());
        drop(place);
        assert!(budget.reserve(now).is_ok());
    }
}
