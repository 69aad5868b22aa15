//! A certificate for each name under a domain that somebody holds, where there is none for all of them.
//!
//! ```text
//! a tunnel opens ─▶ Names::want ─▶ NamesKeeper ─▶ a Keeper for the name ◀─ Turn: few at once, a limit a week
//! a handshake ─▶ Names::ready, waits for it      └─▶ watch<State> in Names
//! ```
//!
//! What always holds: only a name that was wanted, and is held when its turn comes, is ordered or renewed; what is kept
//! on the disk is shown as long as it is valid, and is removed when it has expired and nobody holds its name.

mod budget;
mod keeper;
mod turn;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use tokio::sync::{mpsc, watch};

pub(crate) use budget::Place;
pub use keeper::NamesKeeper;
pub(crate) use turn::Turn;

use crate::limits::NAMES_KEPT;
use crate::renew::{Keeper, OpenError, State};
use budget::Budget;
use turn::Turns;

/// The certificates of names. Clones are of the same ones.
#[derive(Clone)]
pub struct Names(Arc<Inner>);

struct Inner {
    slots: Mutex<HashMap<String, Slot>>,
    /// What has to be done.
    wanted: mpsc::UnboundedSender<Wanted>,
    reached: watch::Receiver<Option<OffsetDateTime>>,
    failures: AtomicU64,
}

/// What has to be done about a host.
enum Wanted {
    /// Somebody has to look after its certificate.
    Keeper(String),
    /// Its certificate has made room for others.
    Removal(String),
}

/// What there is of one name.
struct Slot {
    /// Here before somebody looks after it: whoever waits for a certificate waits for that, too.
    state: watch::Sender<State>,
    /// Somebody looks after it, or is about to.
    is_kept_up: bool,
}

impl Names {
    /// Takes what is kept for names under the keeper's domain; at most `per_week` names may get their first certificate
    /// in a week. They are proven as the keeper's own certificate is, which has to be for one host.
    ///
    /// # Errors
    /// The state folder does not do its part.
    pub fn open(keeper: &Keeper, per_week: u32) -> Result<(Self, NamesKeeper), OpenError> {
        let budget = Budget::load(keeper.store(), per_week)?;
        let (wanted, wants) = mpsc::unbounded_channel();
        let slots = keeper::kept(keeper.store(), keeper.subject().host())?;
        let slots = slots.into_iter().map(|(host, certificate)| (host, Slot::resting(Some(certificate)))).collect();
        let reached = budget.reached();
        let names = Self(Arc::new(Inner { slots: Mutex::new(slots), wanted, reached, failures: AtomicU64::new(0) }));
        let keeper = NamesKeeper::new(names.clone(), keeper.pattern(), Turns::new(budget), wants);
        Ok((names, keeper))
    }

    /// A tunnel that holds `host` is open: it is to have a certificate, now and for as long as it is held.
    pub fn want(&self, host: &str) {
        let mut slots = self.slots();
        match slots.get_mut(host) {
            Some(slot) if slot.is_kept_up => return,
            Some(slot) => slot.is_kept_up = true,
            None => {
                if slots.len() >= NAMES_KEPT {
                    let Some(removed) = make_room(&mut slots) else {
                        let most = NAMES_KEPT;
                        tracing::warn!(host, most, "no certificate: there are as many names as may have one");
                        return;
                    };
                    self.tell(Wanted::Removal(removed));
                }
                slots.insert(host.to_owned(), Slot { is_kept_up: true, ..Slot::resting(None) });
            }
        }
        self.tell(Wanted::Keeper(host.to_owned()));
    }

    fn tell(&self, wanted: Wanted) {
        if self.0.wanted.send(wanted).is_err() {
            tracing::debug!("nobody looks after certificates any more");
        }
    }

    /// The certificate to show for `host`, if there is one.
    #[must_use]
    pub fn certificate(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        let slots = self.slots();
        let certificate = slots.get(host)?.state.borrow().certificate.clone();
        certificate.map(|certificate| certificate.certified_key())
    }

    /// Waits while a certificate for `host` is being ordered, and returns at once where none is, or where the last try
    /// has failed. Has no end of its own but the order's.
    pub async fn ready(&self, host: &str) {
        let state = self.slots().get(host).filter(|slot| slot.is_kept_up).map(|slot| slot.state.subscribe());
        let Some(mut state) = state else { return };
        let is_over = |state: &State| state.trouble.is_some() || is_valid(state);
        if state.wait_for(is_over).await.is_err() {
            tracing::debug!(host, "nobody holds it any more");
        }
    }

    /// Until when no other name gets its first certificate, as the limit of a week is reached; `None` where one may.
    #[must_use]
    pub fn limit(&self) -> watch::Receiver<Option<OffsetDateTime>> {
        self.0.reached.clone()
    }

    /// How many names should have a certificate and have had trouble to get it, and one such trouble in words.
    #[must_use]
    pub fn without(&self) -> (usize, Option<String>) {
        let (mut count, mut why) = (0, None);
        for slot in self.slots().values().filter(|slot| slot.is_kept_up) {
            let state = slot.state.borrow();
            if let Some(trouble) = state.trouble.as_ref().filter(|_| !is_valid(&state)) {
                count += 1;
                why = Some(trouble.to_string());
            }
        }
        (count, why)
    }

    /// How many orders and renewals have failed since the start.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    // A poisoned lock is used all the same: no change under it is made in more than one step.
    fn slots(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// One that nobody looks after.
    fn resting(certificate: Option<Arc<crate::Certificate>>) -> Self {
        Self { state: watch::Sender::new(State { certificate, ..State::default() }), is_kept_up: false }
    }

    fn expiry(&self) -> Option<OffsetDateTime> {
        self.state.borrow().certificate.as_ref().map(|certificate| certificate.not_after())
    }
}

fn is_valid(state: &State) -> bool {
    state.certificate.as_ref().is_some_and(|certificate| certificate.is_valid_at(OffsetDateTime::now_utc()))
}

/// Forgets the certificate that expires first of those that nobody looks after.
fn make_room(slots: &mut HashMap<String, Slot>) -> Option<String> {
    let resting = slots.iter().filter(|(_, slot)| !slot.is_kept_up);
    let first = resting.min_by_key(|(_, slot)| slot.expiry()).map(|(host, _)| host.clone())?;
    slots.remove(&first);
    Some(first)
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}
