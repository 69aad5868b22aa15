//! The directory of a relay that stands alone: a map.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use gantz_shared::name::Name;
use tokio::sync::Notify;

use super::{ClaimError, Claims, Departure, Directory, Found, Given, Right};
use crate::access::{Claimed, Key, Keys};
use crate::config::{AWAY_KEPT, MAX_KEPT, RETURN_WINDOW};
use crate::tunnels::{Standing, Title, Tunnel};

enum Entry {
    Here(Here),
    Gone(Gone),
}

/// A name whose holder is here.
struct Here {
    tunnel: Arc<Tunnel>,
    /// What its agent moves from, as long as it has not said that it has arrived: the network may let nothing through
    /// that way.
    before: Option<Arc<Tunnel>>,
}

impl Here {
    /// Where callers are sent.
    fn serving(&self) -> &Arc<Tunnel> {
        self.before.as_ref().filter(|before| !before.is_silent()).unwrap_or(&self.tunnel)
    }
}

/// A name whose holder is not here, and that is kept for it.
struct Gone {
    since: Instant,
    title: Title,
    /// Where its holder came from.
    network: IpAddr,
    /// Tells those who wait that it is back; nobody waits after a goodbye.
    back: Option<Arc<Notify>>,
}

impl Gone {
    /// How long its name is kept where names are kept for so long.
    fn kept(&self, keep: Duration) -> Duration {
        if self.back.is_some() { keep.max(AWAY_KEPT) } else { keep }
    }
}

/// See the module's head.
pub(crate) struct Memory {
    entries: RwLock<HashMap<Name, Entry>>,
    /// Names that it takes in, with those that are kept.
    max: usize,
    /// How long a name that was wished for is kept.
    keep: Duration,
    /// When the relay was started again; the agents of before are on their way back.
    restarted: Option<Instant>,
    /// Tells that some name was claimed.
    claimed: Arc<Notify>,
    /// Where names are reserved; none: nowhere.
    keys: Option<Keys>,
    /// Where they are not: who has claimed them last.
    claims: Option<Claims>,
}

impl Memory {
    /// An empty one, for so many tunnels, that keeps names for so long; of a relay that was there before, with agents
    /// that come back.
    pub(crate) fn new(max_tunnels: usize, keep: Duration, was_restarted: bool) -> Self {
        let restarted = was_restarted.then(Instant::now);
        Self {
            entries: RwLock::default(),
            max: max_tunnels.saturating_add(MAX_KEPT),
            keep,
            restarted,
            claimed: Arc::default(),
            keys: None,
            claims: None,
        }
    }

    /// Reserves names for access keys.
    pub(crate) fn with_keys(self, keys: Option<Keys>) -> Self {
        Self { keys, ..self }
    }

    /// Writes down who claims which name.
    pub(crate) fn with_claims(self, claims: Option<Claims>) -> Self {
        Self { claims, ..self }
    }

    /// When the name was claimed last, where that is written down.
    fn last(&self, name: &Name) -> Option<u64> {
        self.claims.as_ref()?.last(name)
    }

    /// Whether somebody else has claimed the name since, of which the entries know nothing any more.
    fn is_past(&self, title: &Title) -> bool {
        self.last(&title.name).is_some_and(|last| last > title.claimed)
    }

    /// Whether agents of before a restart may still be on their way back.
    fn is_returning(&self) -> bool {
        self.restarted.is_some_and(|at| at.elapsed() < RETURN_WINDOW)
    }

    fn found(&self, entry: Option<&Entry>) -> Found {
        match entry {
            Some(Entry::Here(here)) => Found::Here(here.serving().clone()),
            Some(Entry::Gone(Gone { since, back: Some(back), .. })) if since.elapsed() < AWAY_KEPT => {
                Found::Away(back.clone())
            }
            Some(Entry::Gone(Gone { back: None, .. })) => Found::Unknown,
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
        let entries = self.read();
        let here = entries.values().find(|entry| matches!(entry, Entry::Here(_)));
        self.found(here.or_else(|| entries.values().next()))
    }

    fn claim(&self, tunnel: &Arc<Tunnel>, right: Right, moves: bool) -> Result<Given, ClaimError> {
        let name = tunnel.name();
        // A name that the relay has drawn is given to nobody else, ever: only a ticket brings it back.
        if right == Right::First && name.is_drawn() {
            return Err(ClaimError::Drawn(name.clone()));
        }
        let mut entries = self.write();
        let standing = |holder: &Title| match right {
            Right::Ticket => tunnel.title().against(holder),
            _ => Standing::Stranger,
        };
        // Whom it is kept for has the same key, or has lost it to whoever has it now.
        let is_the_keys = matches!(right, Right::Reserved | Right::SameKey);
        match entries.get(name) {
            Some(Entry::Here(here)) => match standing(&here.tunnel.title()) {
                Standing::Rightful => {}
                Standing::Superseded => return Err(ClaimError::Superseded(name.clone())),
                Standing::Stranger => return Err(ClaimError::Taken(name.clone())),
            },
            Some(Entry::Gone(_)) if is_the_keys => {}
            Some(Entry::Gone(gone)) => {
                let left = gone.kept(self.keep).saturating_sub(gone.since.elapsed());
                match standing(&gone.title) {
                    Standing::Rightful => {}
                    _ if left.is_zero() => tunnel.claim_anew(self.last(name).max(Some(gone.title.claimed))),
                    Standing::Superseded => return Err(ClaimError::Superseded(name.clone())),
                    Standing::Stranger => return Err(ClaimError::Kept { name: name.clone(), left }),
                }
            }
            None if matches!(right, Right::First | Right::SameKey) && self.is_returning() => {
                return Err(ClaimError::Returning);
            }
            None if entries.len() >= self.max => return Err(ClaimError::Full),
            None if right == Right::Ticket && self.is_returning() && self.is_past(&tunnel.title()) => {
                return Err(ClaimError::Returning);
            }
            // A ticket for a name that nobody holds: whoever has claimed it meanwhile, and left it, has it no more.
            None if right == Right::Ticket && !self.is_returning() && !name.is_drawn() => {
                tunnel.claim_anew(self.last(name));
            }
            // A clock that was set back must not make this claim the earlier one.
            None if right == Right::First => tunnel.claim_anew(self.last(name)),
            None => {}
        }
        match entries.get(name) {
            Some(Entry::Here(here)) => tunnel.succeed(&here.tunnel.title()),
            Some(Entry::Gone(gone)) => tunnel.succeed(&gone.title),
            None => {}
        }
        // Of a name that the relay has drawn there is one holder, ever.
        if let Some(claims) = self.claims.as_ref().filter(|_| !name.is_drawn()) {
            claims.note(name, tunnel.title().claimed, tunnel.network());
        }
        self.claimed.notify_waiters();
        let (before, replaced) = match entries.remove(name) {
            Some(Entry::Here(here)) => {
                // An agent that moves closes it itself, when what was begun there has ended; unless nothing gets there any
                // more, or it is another agent's.
                let title = tunnel.title();
                // Agents that do not say which of their openings it is say nothing of their arrival either.
                let tells = title.run.as_ref().is_some_and(|run| run.opening > 0);
                let goes_on =
                    moves && tells && title.is_of_the_run_of(&here.tunnel.title()) && !here.serving().is_silent();
                let mut known = [here.before, Some(here.tunnel)].into_iter().flatten();
                (if goes_on { known.next() } else { None }, known.collect())
            }
            Some(Entry::Gone(gone)) => {
                if let Some(back) = gone.back {
                    back.notify_waiters();
                }
                (None, Vec::new())
            }
            None => (None, Vec::new()),
        };
        let awaited = before.is_some();
        entries.insert(name.clone(), Entry::Here(Here { tunnel: tunnel.clone(), before }));
        Ok(Given { replaced, awaited })
    }

    fn arrived(&self, tunnel: &Tunnel) -> Option<Arc<Tunnel>> {
        match self.write().get_mut(tunnel.name()) {
            Some(Entry::Here(here)) if here.tunnel.id() == tunnel.id() => here.before.take(),
            _ => None,
        }
    }

    fn written<'a>(&'a self, name: &Name) -> BoxFuture<'a, ()> {
        let claims = self.claims.as_ref().filter(|_| !name.is_drawn());
        Box::pin(async move {
            if let Some(claims) = claims {
                claims.written().await;
            }
        })
    }

    fn reserve<'a>(&'a self, name: &'a Name, key: &'a Key) -> BoxFuture<'a, Result<Right, ClaimError>> {
        Box::pin(async move {
            let Some(keys) = &self.keys else { return Ok(Right::First) };
            if key.terms().names.as_ref().is_some_and(|globs| !globs.allow(name)) {
                return Err(ClaimError::NotAllowed(name.clone()));
            }
            match keys.claim(name.clone(), key).await {
                Ok(Claimed::New) => Ok(Right::Reserved),
                Ok(Claimed::Own) => Ok(Right::SameKey),
                Ok(Claimed::Others) => Err(ClaimError::Reserved(name.clone())),
                Ok(Claimed::TooMany) => Err(ClaimError::TooManyNames),
                Err(error) => {
                    tracing::error!(%name, %error, "name not reserved");
                    Err(ClaimError::NotKept)
                }
            }
        })
    }

    fn unreserve<'a>(&'a self, name: &'a Name, key: &'a Key) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Some(keys) = &self.keys else { return };
            if let Err(error) = keys.unclaim(name.clone(), key).await {
                tracing::error!(%name, %error, "a name stays reserved that nobody got");
            }
        })
    }

    fn release(&self, tunnel: &Tunnel, departure: Departure) {
        let mut entries = self.write();
        let Some(Entry::Here(here)) = entries.get_mut(tunnel.name()) else { return };
        if here.before.as_ref().is_some_and(|before| before.id() == tunnel.id()) {
            here.before = None;
        }
        if here.tunnel.id() != tunnel.id() {
            return;
        }
        if let Some(before) = here.before.take() {
            here.tunnel = before;
            return;
        }
        let gone = |back| Gone { since: Instant::now(), title: tunnel.title(), network: tunnel.network(), back };
        let gone = match departure {
            Departure::Away => gone(Some(Arc::default())),
            Departure::Goodbye if !tunnel.name().is_drawn() && !self.keep.is_zero() => gone(None),
            Departure::Goodbye | Departure::NeverThere => {
                entries.remove(tunnel.name());
                return;
            }
        };
        entries.insert(tunnel.name().clone(), Entry::Gone(gone));
        forget_surplus(&mut entries, MAX_KEPT);
    }
}

/// Where too many names are kept, the network for which the most are kept loses the one that it left first: nobody can
/// have others' names forgotten by leaving many of its own.
fn forget_surplus(entries: &mut HashMap<Name, Entry>, max: usize) {
    let mut kept: HashMap<IpAddr, (usize, Instant, &Name)> = HashMap::new();
    let mut count = 0;
    for (name, entry) in entries.iter() {
        let Entry::Gone(gone) = entry else { continue };
        count += 1;
        let (number, oldest, oldest_name) = kept.entry(gone.network).or_insert((0, gone.since, name));
        *number += 1;
        if gone.since < *oldest {
            (*oldest, *oldest_name) = (gone.since, name);
        }
    }
    if count <= max {
        return;
    }
    let most = kept.into_values().max_by_key(|(number, ..)| *number);
    if let Some(name) = most.map(|(.., name)| name.clone()) {
        entries.remove(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(network: [u8; 4], age: u64) -> Entry {
        let since = Instant::now().checked_sub(Duration::from_secs(age)).unwrap();
        let title = Title::claimed(Name::parse("whoever").unwrap(), 0, None);
        Entry::Gone(Gone { since, title, network: network.into(), back: None })
    }

    #[test]
    fn whoever_leaves_many_names_loses_its_own() {
        let name = |name: String| Name::parse(&name).unwrap();
        let mut entries = HashMap::from([(name("alone".into()), gone([10, 0, 0, 1], 1_000))]);
        for number in 0..4 {
            entries.insert(name(format!("many-{number}")), gone([10, 0, 0, 2], 100 - number));
        }
        forget_surplus(&mut entries, 5);
        assert_eq!(entries.len(), 5, "there is room for them");
        forget_surplus(&mut entries, 4);
        assert!(!entries.contains_key("many-0"), "the oldest of those who have the most");
        forget_surplus(&mut entries, 3);
        assert!(!entries.contains_key("many-1"));
        assert_eq!(entries.len(), 3);
        assert!(entries.contains_key("alone"));
    }
}
