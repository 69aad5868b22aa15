//! Looks after the certificates of the names that somebody holds.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use time::OffsetDateTime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::turn::{IsHeld, Turn, Turns};
use super::{Names, Slot, Wanted};
use crate::certificate::Certificate;
use crate::limits::{NAMES_KEPT, NAMES_SWEEP};
use crate::renew::{Keeper, State};
use crate::store::{Kept, Store, StoreError};

/// Looks after the certificates of names.
pub struct NamesKeeper {
    names: Names,
    /// What a name's keeper is made of.
    pattern: Keeper,
    turns: Arc<Turns>,
    wants: mpsc::UnboundedReceiver<Wanted>,
}

/// The certificates of names under `domain` that are on the disk.
pub(super) fn kept(store: &Store, domain: &str) -> Result<HashMap<String, Arc<Certificate>>, StoreError> {
    let mut kept = HashMap::new();
    for host in store.names()? {
        if host.strip_suffix(domain).is_none_or(|label| !label.ends_with('.')) {
            tracing::debug!(host, "kept for another domain");
            continue;
        }
        if kept.len() >= NAMES_KEPT {
            tracing::warn!(most = NAMES_KEPT, "there are more certificates of names than are used");
            break;
        }
        match store.of_name(&host).certificate()? {
            Kept::Good(certificate) => {
                kept.insert(host, Arc::new(certificate));
            }
            Kept::Nothing => {}
            Kept::SetAside(aside, why) => {
                tracing::warn!(%why, aside = %aside.display(), "the kept certificate cannot be used");
            }
        }
    }
    Ok(kept)
}

impl NamesKeeper {
    pub(super) fn new(
        names: Names,
        pattern: Keeper,
        turns: Arc<Turns>,
        wants: mpsc::UnboundedReceiver<Wanted>,
    ) -> Self {
        Self { names, pattern, turns, wants }
    }

    /// Orders and renews for the hosts that are held; never returns. May be dropped at any time.
    pub async fn run(mut self, is_held: impl Fn(&str) -> bool + Send + Sync + 'static) {
        let is_held: IsHeld = Arc::new(is_held);
        let mut keepers = JoinSet::new();
        let mut sweep = interval_at(Instant::now() + NAMES_SWEEP, NAMES_SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(wanted) = self.wants.recv() => match wanted {
                    Wanted::Keeper(host) => self.keep_up(host, &is_held, &mut keepers),
                    // Before anything that comes after it: the name may be wanted again.
                    Wanted::Removal(host) => self.remove(&host).await,
                },
                Some(ended) = keepers.join_next() => match ended {
                    Ok(host) => self.rest(&host, &is_held),
                    Err(error) => tracing::error!(%error, "nobody looks after the certificate of a name any more"),
                },
                _ = sweep.tick() => self.sweep(&is_held).await,
            }
        }
    }

    fn keep_up(&self, host: String, is_held: &IsHeld, keepers: &mut JoinSet<String>) {
        let turn = Turn { host: host.clone(), turns: self.turns.clone(), is_held: is_held.clone() };
        let Some(state) = self.names.slots().get(&host).map(|slot| slot.state.clone()) else { return };
        // What came before is over: whoever waits waits for what comes now.
        state.send_modify(|state| (state.trouble, state.failures) = (None, 0));
        let (names, told) = (self.names.clone(), state.subscribe());
        let keeper = self.pattern.of_name(&host, state, turn);
        keepers.spawn(async move {
            tokio::select! {
                () = keeper.run() => {}
                () = count(names, told) => {}
            }
            host
        });
    }

    /// The name was held by nobody when its keeper looked.
    fn rest(&self, host: &str, is_held: &IsHeld) {
        let mut slots = self.names.slots();
        if let Some(slot) = slots.get_mut(host) {
            slot.is_kept_up = false;
            if slot.expiry().is_none() {
                slots.remove(host);
            }
        }
        drop(slots);
        // It may have been opened again before this was written down.
        if is_held(host) {
            self.names.want(host);
        }
    }

    /// Removes what has expired and nobody holds.
    async fn sweep(&self, is_held: &IsHeld) {
        let now = OffsetDateTime::now_utc();
        let is_expired = |slot: &Slot| !slot.is_kept_up && slot.expiry().is_some_and(|expiry| expiry < now);
        let mut expired = Vec::new();
        // Nobody orders one while its file is removed.
        for (host, slot) in self.names.slots().iter_mut().filter(|(_, slot)| is_expired(slot)) {
            slot.is_kept_up = true;
            expired.push(host.clone());
        }
        for host in expired {
            self.remove(&host).await;
            self.names.slots().remove(&host);
            if is_held(&host) {
                self.names.want(&host);
            }
        }
    }

    async fn remove(&self, host: &str) {
        match self.pattern.store().of_name(host).remove_certificate().await {
            Ok(()) => tracing::debug!(host, "certificate removed: nobody holds the name"),
            Err(error) => tracing::warn!(%error, "a certificate that nobody uses is left"),
        }
    }
}

/// Counts what fails. Returns when nobody tells any more.
async fn count(names: Names, mut state: watch::Receiver<State>) {
    let mut in_a_row = 0;
    while state.changed().await.is_ok() {
        let failures = state.borrow_and_update().failures;
        names.0.failures.fetch_add(u64::from(failures.saturating_sub(in_a_row)), Ordering::Relaxed);
        in_a_row = failures;
    }
}

impl fmt::Debug for NamesKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamesKeeper").field("pattern", &self.pattern).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::store::Pem;
    use crate::{Responder, Settings, Subject, TlsAlpn, Trust};

    async fn keep(store: &Store, host: &str, days: i64) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_before = OffsetDateTime::now_utc() - time::Duration::days(100);
        params.not_after = OffsetDateTime::now_utc() + time::Duration::days(days);
        let certificate = params.self_signed(&key).unwrap();
        store.of_name(host).keep_certificate(&Pem::new(&key.serialize_pem(), &certificate.pem())).await.unwrap();
    }

    fn settings(folder: &Path) -> Settings {
        let subject = Subject::Host("relay.example".to_owned());
        Settings { subject, trust: Trust::Only(Vec::new()), ..Settings::new("relay.example", folder.to_owned()) }
    }

    #[tokio::test]
    async fn what_has_expired_is_removed_unless_somebody_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let (pattern, _) = Keeper::open(settings(folder.path()), Responder::TlsAlpn(TlsAlpn::default())).unwrap();
        pattern.store().names().unwrap();
        for (label, days) in [("gone", -1), ("held", -1), ("valid", 1)] {
            keep(pattern.store(), &format!("{label}.relay.example"), days).await;
        }
        keep(pattern.store(), "elsewhere.other.example", 1).await;
        let (names, keeper) = Names::open(&pattern, 1).unwrap();
        assert!(names.certificate("gone.relay.example").is_some());
        assert!(names.certificate("elsewhere.other.example").is_none());
        names.want("held.relay.example");
        let is_held: IsHeld = Arc::new(|host| host == "held.relay.example");
        keeper.sweep(&is_held).await;
        assert!(names.certificate("gone.relay.example").is_none());
        let mut left = pattern.store().names().unwrap();
        left.sort();
        assert_eq!(left, ["elsewhere.other.example", "held.relay.example", "valid.relay.example"]);
    }

    #[tokio::test]
    async fn the_first_to_expire_that_nobody_holds_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let (pattern, _) = Keeper::open(settings(folder.path()), Responder::TlsAlpn(TlsAlpn::default())).unwrap();
        pattern.store().names().unwrap();
        for (label, days) in [("later", 2), ("held", 1), ("sooner", 1)] {
            keep(pattern.store(), &format!("{label}.relay.example"), days).await;
        }
        let (names, _keeper) = Names::open(&pattern, 1).unwrap();
        names.want("held.relay.example");
        let mut slots = names.slots();
        for expected in ["sooner", "later"] {
            assert_eq!(super::super::make_room(&mut slots), Some(format!("{expected}.relay.example")));
        }
        assert_eq!(super::super::make_room(&mut slots), None);
    }
}
