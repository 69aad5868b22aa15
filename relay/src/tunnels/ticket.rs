//! Resume tickets: the relay's own word, by HMAC-SHA-256, that a name is its holder's. They need no database; whoever
//! has the key of the state folder can check them.
//!
//! Layout, then base64url: version (1), claimed (8, milliseconds since 1970), issued (8, likewise), name length (1), name,
//! access key digest (32, zero without one), tag (32).
//!
//! All tickets of a holder have the time at which the name was first claimed, so that a name that was given up and then
//! claimed by somebody else is not brought back by a ticket of before. When each was issued tells them apart: see
//! [`Title`].

use std::path::Path;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gantz_shared::control::Secret;
use gantz_shared::name::Name;
use tokio::sync::watch;

use super::Title;
use crate::config::FILE_POLL;
use crate::state::{self, StateError};

const VERSION: u8 = 2;
const TAG_LEN: usize = 32;

/// The file of the key that signs, and of the one before it, whose tickets are still good.
const KEY: &str = "ticket.key";
const OLD_KEY: &str = "ticket.old.key";

/// Makes and checks tickets.
pub(crate) struct Tickets {
    keys: ArcSwap<Keys>,
    /// Tells that there is a new key.
    renewed: watch::Sender<()>,
}

struct Keys {
    bytes: [u8; 32],
    signs: hmac::Key,
    /// The one that signed before.
    old: Option<hmac::Key>,
}

impl Keys {
    fn new(bytes: [u8; 32], old: Option<[u8; 32]>) -> Self {
        let key = |bytes: [u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        Self { bytes, signs: key(bytes), old: old.map(key) }
    }

    fn read(dir: &Path) -> Result<Option<Self>, StateError> {
        let Some(bytes) = state::read_key(&dir.join(KEY))? else { return Ok(None) };
        Ok(Some(Self::new(bytes, state::read_key(&dir.join(OLD_KEY))?)))
    }
}

/// Gives the relay of the state folder `dir` a new key; one that runs takes it within [`FILE_POLL`]. The tickets of
/// the last key stay good until the next change. `false`: it has none yet.
pub(crate) fn rotate(dir: &Path) -> Result<bool, StateError> {
    let Some(key) = state::read_key(&dir.join(KEY))? else { return Ok(false) };
    state::write(&dir.join(OLD_KEY), &key, 0o600)?;
    state::write(&dir.join(KEY), &state::random(KEY)?, 0o600)?;
    Ok(true)
}

/// What the digest of a holder's access key is: a ticket is good only together with it.
pub(crate) type KeyDigest = [u8; 32];

/// Zero for no key.
pub(crate) fn key_digest(access_key: Option<&Secret>) -> KeyDigest {
    let mut bytes = [0; 32];
    if let Some(key) = access_key {
        bytes.copy_from_slice(digest(&SHA256, key.reveal().as_bytes()).as_ref());
    }
    bytes
}

impl Tickets {
    /// With the keys in `dir`, or with a new one. Says, too, whether the relay had one before.
    pub(crate) fn load(dir: Option<&Path>) -> Result<(Self, bool), StateError> {
        let kept = dir.map(Keys::read).transpose()?.flatten();
        let was_kept = kept.is_some();
        let keys = match kept {
            Some(keys) => keys,
            None => Keys::new(state::key(dir, KEY)?, None),
        };
        Ok((Self { keys: ArcSwap::from_pointee(keys), renewed: watch::Sender::default() }, was_kept))
    }

    /// Takes a new key whenever there is one in `dir`. Never returns.
    pub(crate) async fn watch(&self, dir: &Path) {
        let mut interval = tokio::time::interval(FILE_POLL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told = None;
        loop {
            interval.tick().await;
            match Keys::read(dir) {
                Ok(Some(keys)) if keys.bytes != self.keys.load().bytes => {
                    self.keys.store(keys.into());
                    self.renewed.send_replace(());
                    tracing::info!("tickets have a new key");
                    told = None;
                }
                Ok(_) => told = None,
                Err(error) => {
                    let error = error.to_string();
                    if told.as_ref() != Some(&error) {
                        tracing::warn!(error, "tickets keep their key: the one in the state folder cannot be used");
                        told = Some(error);
                    }
                }
            }
        }
    }

    /// Hears of new keys.
    pub(crate) fn renewed(&self) -> watch::Receiver<()> {
        self.renewed.subscribe()
    }

    /// A ticket of this title, good only together with the same access key.
    pub(crate) fn issue(&self, title: &Title, access_key: &KeyDigest) -> Secret {
        let name = title.name.as_str();
        let mut ticket = vec![VERSION];
        ticket.extend_from_slice(&title.claimed.to_be_bytes());
        ticket.extend_from_slice(&title.issued.to_be_bytes());
        ticket.push(name.len() as u8);
        ticket.extend_from_slice(name.as_bytes());
        ticket.extend_from_slice(access_key);
        let tag = hmac::sign(&self.keys.load().signs, &ticket);
        ticket.extend_from_slice(tag.as_ref());
        Secret::new(URL_SAFE_NO_PAD.encode(ticket))
    }

    /// The name of a ticket that this relay issued to the holder of the access key, when it was claimed, and when the
    /// ticket was issued.
    pub(crate) fn redeem(&self, ticket: &Secret, access_key: &KeyDigest) -> Option<(Name, u64, u64)> {
        let ticket = URL_SAFE_NO_PAD.decode(ticket.reveal()).ok()?;
        let (body, tag) = ticket.split_at_checked(ticket.len().checked_sub(TAG_LEN)?)?;
        let keys = self.keys.load();
        let is_good = |key: &hmac::Key| hmac::verify(key, body, tag).is_ok();
        if !is_good(&keys.signs) && !keys.old.as_ref().is_some_and(is_good) {
            return None;
        }
        let (claimed, rest) = body.strip_prefix(&[VERSION])?.split_first_chunk()?;
        let (issued, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first()?;
        let (name, key) = rest.split_at_checked(usize::from(*len))?;
        if key != access_key {
            return None;
        }
        let name = Name::parse(std::str::from_utf8(name).ok()?).ok()?;
        Some((name, u64::from_be_bytes(*claimed), u64::from_be_bytes(*issued)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title() -> Title {
        let name = Name::parse("my-tools").unwrap();
        Title { claimed: 7, ..Title::resumed(name, 7, 8, 9, None) }
    }

    /// What a ticket of it tells.
    fn told() -> Option<(Name, u64, u64)> {
        Some((title().name, 7, 9))
    }

    #[test]
    fn only_this_relay_and_this_key() {
        let (tickets, was_kept) = Tickets::load(None).unwrap();
        assert!(!was_kept);
        let [key, other, none] =
            [Some("gzk_a"), Some("gzk_b"), None].map(|key| key_digest(key.map(|key| Secret::new(key.into())).as_ref()));
        let ticket = tickets.issue(&title(), &key);
        assert_eq!(tickets.redeem(&ticket, &key), told());
        assert_eq!(tickets.redeem(&ticket, &none), None);
        assert_eq!(tickets.redeem(&ticket, &other), None);
        assert_eq!(Tickets::load(None).unwrap().0.redeem(&ticket, &key), None);
        for broken in ["", "AA", "not base64!", &ticket.reveal()[1..]] {
            assert_eq!(tickets.redeem(&Secret::new(broken.to_owned()), &key), None);
        }
    }

    #[test]
    fn a_ticket_outlives_one_change_of_the_key_and_not_two() {
        let dir = tempfile::tempdir().unwrap();
        let load = || Tickets::load(Some(dir.path())).unwrap();
        let key = key_digest(None);
        assert!(!rotate(dir.path()).unwrap(), "nothing to rotate");
        let (first, _) = load();
        let ticket = first.issue(&title(), &key);
        assert!(rotate(dir.path()).unwrap());
        let (second, was_kept) = load();
        assert!(was_kept);
        assert_eq!(second.redeem(&ticket, &key), told());
        let newer = second.issue(&title(), &key);
        assert_eq!(first.redeem(&newer, &key), None);
        assert!(rotate(dir.path()).unwrap());
        let (third, _) = load();
        assert_eq!(third.redeem(&ticket, &key), None);
        assert_eq!(third.redeem(&newer, &key), told());
    }
}
