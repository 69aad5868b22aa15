//! Who may come in, and who is in: the keys in memory, with the tunnels that each has open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use gantz_shared::control::Secret;
use gantz_shared::limits::MAX_TOKEN_LEN;
use gantz_shared::name::Name;
use gantz_shared::reset::CloseCode;
use gantz_shared::token::Digest;
use gantz_transport::Connection;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::{Key, now};

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    keys: Vec<Arc<Key>>,
    /// By the key's id.
    open: HashMap<String, Vec<Open>>,
    next: u64,
}

#[derive(Debug)]
struct Open {
    number: u64,
    name: Name,
    connection: Connection,
}

/// Why an agent is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAdmitted {
    #[error("this relay asks for an access key, and none was shown")]
    Missing,
    #[error("the access key is none of this relay's")]
    Unknown,
    #[error("the access key was revoked")]
    Revoked,
    #[error("the access key has expired")]
    Expired,
    #[error("the access key has {0} tunnel{s} open, as many as it may have", s = if *.0 == 1 { "" } else { "s" })]
    Quota(u32),
}

impl Book {
    pub(super) fn new(keys: Vec<Key>) -> Self {
        let book = Self::default();
        book.replace(keys);
        book
    }

    /// The key that was shown, if it lets its holder in. As much work for a wrong one as for a right one: its digest is
    /// compared with that of every key.
    pub(crate) fn admit(&self, shown: Option<&Secret>) -> Result<Arc<Key>, NotAdmitted> {
        let shown = shown.ok_or(NotAdmitted::Missing)?.reveal();
        if shown.len() > MAX_TOKEN_LEN {
            return Err(NotAdmitted::Unknown);
        }
        let digest = Digest::of(shown.as_bytes());
        let pages = self.pages();
        let mut found = u64::MAX;
        for (index, key) in pages.keys.iter().enumerate() {
            found.conditional_assign(&(index as u64), digest.ct_eq(&key.digest));
        }
        let is_found = !bool::from(found.ct_eq(&u64::MAX));
        let key = usize::try_from(found).ok().filter(|_| is_found).and_then(|index| pages.keys.get(index));
        let key = key.ok_or(NotAdmitted::Unknown)?;
        live(key, now())?;
        Ok(key.clone())
    }

    /// Counts a tunnel of `name`, until the seat is dropped; the connection is closed when the key dies. Tunnels of one
    /// name are one: an agent that comes back, or moves, needs no room for two.
    pub(crate) fn enter(self: &Arc<Self>, key: &Key, name: &Name, connection: Connection) -> Result<Seat, NotAdmitted> {
        let mut pages = self.pages();
        // It may have died since it was shown, and nobody would close the tunnel then.
        let key = pages.keys.iter().find(|known| known.id == key.id).ok_or(NotAdmitted::Unknown)?.clone();
        live(&key, now())?;
        pages.next += 1;
        let number = pages.next;
        let open = pages.open.entry(key.id.clone()).or_default();
        let is_there = open.iter().any(|open| open.name == *name);
        if let Some(most) = key.terms.tunnels.filter(|_| !is_there)
            && count(open) >= most as usize
        {
            return Err(NotAdmitted::Quota(most));
        }
        open.push(Open { number, name: name.clone(), connection });
        Ok(Seat { book: Arc::downgrade(self), key: key.id.clone(), number })
    }

    /// From now on these are the keys.
    pub(super) fn replace(&self, keys: Vec<Key>) {
        let keys = keys.into_iter().map(Arc::new).collect();
        self.pages().keys = keys;
    }

    /// Closes what dead keys have open.
    pub(super) fn close_dead(&self, now: u64) {
        let pages = self.pages();
        for key in &pages.keys {
            let Err(why) = live(key, now) else { continue };
            for open in pages.open.get(&key.id).into_iter().flatten() {
                open.connection.close(CloseCode::Refused, &why.to_string());
            }
        }
    }

    /// All keys, each with how many tunnels it has open.
    pub(crate) fn list(&self) -> Vec<(Arc<Key>, usize)> {
        let pages = self.pages();
        let open = |key: &Key| pages.open.get(&key.id).map_or(0, |open| count(open));
        pages.keys.iter().map(|key| (key.clone(), open(key))).collect()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // No change under it is made in more than one step that could fail.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn live(key: &Key, now: u64) -> Result<(), NotAdmitted> {
    if key.revoked_at.is_some() {
        Err(NotAdmitted::Revoked)
    } else if key.is_expired(now) {
        Err(NotAdmitted::Expired)
    } else {
        Ok(())
    }
}

/// How many names there are among them.
fn count(open: &[Open]) -> usize {
    let mut names: Vec<_> = open.iter().map(|open| &open.name).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

/// One tunnel among those that its key has open.
#[derive(Debug)]
pub(crate) struct Seat {
    book: Weak<Book>,
    key: String,
    number: u64,
}

impl Seat {
    /// The id of its key.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(book) = self.book.upgrade() else { return };
        let mut pages = book.pages();
        if let Some(open) = pages.open.get_mut(&self.key) {
            open.retain(|open| open.number != self.number);
            if open.is_empty() {
                pages.open.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Terms;
    use super::*;

    fn terms(expires_at: Option<u64>) -> Terms {
        Terms { label: "alice".into(), expires_at, ..Terms::default() }
    }

    #[test]
    fn only_live_keys_let_in() {
        let (live, live_secret) = Key::generate(&terms(None), 7).unwrap();
        let (dead, dead_secret) = Key::generate(&terms(Some(8)), 7).unwrap();
        let (mut revoked, revoked_secret) = Key::generate(&terms(None), 7).unwrap();
        revoked.revoked_at = Some(8);
        let book = Book::new(vec![dead, live.clone(), revoked]);
        assert_eq!(book.admit(Some(&live_secret)).unwrap().id(), live.id());
        let refused = |secret: Option<&Secret>| book.admit(secret).unwrap_err();
        assert_eq!(refused(None), NotAdmitted::Missing);
        assert_eq!(refused(Some(&dead_secret)), NotAdmitted::Expired);
        assert_eq!(refused(Some(&revoked_secret)), NotAdmitted::Revoked);
        for wrong in ["", "gzk_", &live_secret.reveal()[1..], &"x".repeat(1 << 20)] {
            assert_eq!(refused(Some(&Secret::new(wrong.to_owned()))), NotAdmitted::Unknown);
        }
        assert_eq!(Book::default().admit(Some(&live_secret)).unwrap_err(), NotAdmitted::Unknown);
    }
}
