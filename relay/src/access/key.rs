//! An access key: what an agent shows, and what its holder may do.

use std::fmt::Write;

use gantz_shared::control::Secret;
use gantz_shared::rate::Rate;
use gantz_shared::token::Digest;
use rand::TryRng;
use rand::rngs::SysRng;

use super::{AccessError, MAX_LABEL, NameGlobs};

/// What every key starts with, so that secret scanners and people know one when they see it.
const PREFIX: &str = "gzk_";

/// Bytes of an id behind its `k`; ids are names, not secrets.
const ID_BYTES: usize = 4;

/// What an operator says about a key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    /// Whose it is.
    pub(crate) label: String,
    /// Tunnels that may be open at once; none: as many as the relay lets one address have.
    pub(crate) tunnels: Option<u32>,
    /// The names that may be asked for; none: any. The relay draws names for every key.
    pub(crate) names: Option<NameGlobs>,
    /// How often each of its tunnels may be called; none: as often as the relay lets any.
    pub(crate) rate: Option<Rate>,
    /// Seconds since 1970 at which it dies; none: never.
    pub(crate) expires_at: Option<u64>,
}

impl Terms {
    pub(super) fn check(&self) -> Result<(), AccessError> {
        let is_label = |label: &str| (1..=MAX_LABEL).contains(&label.chars().count());
        if is_label(&self.label) && !self.label.chars().any(char::is_control) {
            Ok(())
        } else {
            Err(AccessError::BadLabel)
        }
    }
}

/// A key as the relay knows it: without its secret.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(super) id: String,
    pub(super) digest: Digest,
    pub(super) terms: Terms,
    /// Seconds since 1970, as the other times here.
    pub(super) created_at: u64,
    pub(super) revoked_at: Option<u64>,
}

impl Key {
    /// A new one, and its secret: 256 bits from the system's generator.
    pub(super) fn generate(terms: &Terms, now: u64) -> Result<(Self, Secret), AccessError> {
        terms.check()?;
        let mut bytes = [0; ID_BYTES];
        let no_bytes = |error: rand::rngs::SysError| std::io::Error::other(format!("no random bytes: {error}"));
        SysRng.try_fill_bytes(&mut bytes).map_err(no_bytes)?;
        let mut id = "k".to_owned();
        for byte in bytes {
            // Writing to a string does not fail.
            let _ = write!(id, "{byte:02x}");
        }
        let token = gantz_shared::token::Token::generate(&mut SysRng).map_err(no_bytes)?;
        let secret = token.reveal().strip_prefix(gantz_shared::token::PREFIX).unwrap_or_default();
        let secret = format!("{PREFIX}{secret}");
        let digest = Digest::of(secret.as_bytes());
        Ok((Self { id, digest, terms: terms.clone(), created_at: now, revoked_at: None }, Secret::new(secret)))
    }

    /// Names it in lists; not secret.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(crate) fn created_at(&self) -> u64 {
        self.created_at
    }

    pub(crate) fn revoked_at(&self) -> Option<u64> {
        self.revoked_at
    }

    /// Whether its time is over.
    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.terms.expires_at.is_some_and(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_promised_shape_and_shows_nothing() {
        let terms = Terms { label: "alice".into(), ..Terms::default() };
        let (key, secret) = Key::generate(&terms, 7).unwrap();
        let characters = secret.reveal().strip_prefix(PREFIX).unwrap();
        assert_eq!(characters.len(), 43);
        assert!(characters.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        assert!(bool::from(Digest::of(secret.reveal().as_bytes()).ct_eq(&key.digest)));
        assert!(!format!("{key:?} {secret:?}").contains(characters));
        let (other, _) = Key::generate(&terms, 7).unwrap();
        assert_ne!(key.id(), other.id());
        for bad in ["", "a\nb", &"x".repeat(MAX_LABEL + 1)] {
            let terms = Terms { label: bad.to_owned(), ..Terms::default() };
            assert!(Key::generate(&terms, 7).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_dies_at_its_end() {
        let terms = Terms { label: "alice".into(), expires_at: Some(10), ..Terms::default() };
        let (key, _) = Key::generate(&terms, 7).unwrap();
        assert!(!key.is_expired(9) && key.is_expired(10));
    }
}
