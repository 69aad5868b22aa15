//! The name of a tunnel: one DNS label under the relay's domain.

use std::borrow::Borrow;
use std::fmt;

use rand::seq::IndexedRandom;
use rand::{CryptoRng, RngExt};
use serde::{Deserialize, Serialize};

use crate::limits::MAX_NAME_LEN;

/// Labels that users of a domain take for its owner's own, or that mail and certificate rules give a meaning.
const RESERVED: [&str; 24] = [
    "abuse",
    "acme",
    "admin",
    "administrator",
    "api",
    "app",
    "autoconfig",
    "autodiscover",
    "dashboard",
    "gantz",
    "hostmaster",
    "imap",
    "localhost",
    "login",
    "mail",
    "mta-sts",
    "ns",
    "postmaster",
    "relay",
    "root",
    "smtp",
    "status",
    "webmaster",
    "www",
];

/// A tunnel's name: lower-case letters, digits and inner hyphens, at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// Takes a name that somebody wishes for. Case is not kept (RFC 4343).
    ///
    /// # Errors
    /// [`InvalidName`] says which rule it breaks.
    pub fn parse(wanted: &str) -> Result<Self, InvalidName> {
        let name = wanted.to_ascii_lowercase();
        if name.is_empty() {
            return Err(InvalidName::Empty);
        }
        if name.len() > MAX_NAME_LEN {
            return Err(InvalidName::TooLong(name.len()));
        }
        if let Some(other) = name.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')) {
            return Err(InvalidName::Character(other));
        }
        if name.starts_with('-') || name.ends_with('-') {
            return Err(InvalidName::Hyphen);
        }
        // RFC 5890 §2.3.1: `--` in third place is for encoded labels, with which one name can be drawn like another.
        if name.get(2..4) == Some("--") {
            return Err(InvalidName::Encoded);
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(InvalidName::Reserved(name));
        }
        Ok(Self(name))
    }

    /// A fresh `adjective-noun-xxxxxx`, drawn evenly: 449 adjectives × 449 nouns × 36⁶ ≈ 2^48.6 names.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let words = petname::Petnames::small();
        let adjective = words.adjectives.choose(rng).copied().unwrap_or("calm");
        let noun = words.nouns.choose(rng).copied().unwrap_or("relay");
        let suffix: String = (0..6).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect();
        Self(format!("{adjective}-{noun}-{suffix}"))
    }

    /// Whether it is of the kind that [`Name::random`] makes.
    #[must_use]
    pub fn is_drawn(&self) -> bool {
        let words = petname::Petnames::small();
        let mut parts = self.0.split('-');
        let (adjective, noun, suffix) = (parts.next(), parts.next(), parts.next());
        parts.next().is_none()
            && suffix.is_some_and(|suffix| suffix.len() == 6)
            && adjective.is_some_and(|adjective| words.adjectives.contains(&adjective))
            && noun.is_some_and(|noun| words.nouns.contains(&noun))
    }

    /// The label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;

    fn try_from(wanted: String) -> Result<Self, InvalidName> {
        Self::parse(&wanted)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// Why a wish cannot be a tunnel's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// Nothing was given.
    #[error("a name needs at least one character")]
    Empty,
    /// Longer than a DNS label.
    #[error("a name has at most {MAX_NAME_LEN} characters, this one has {0}")]
    TooLong(usize),
    /// A character that a DNS label has not.
    #[error("a name has only letters, digits and hyphens, not {0:?}")]
    Character(char),
    /// A hyphen at an end.
    #[error("a name does not start or end with a hyphen")]
    Hyphen,
    /// An internationalised label.
    #[error("a name has no `--` in third place: that is how look-alike names are spelled")]
    Encoded,
    /// A label that belongs to the relay.
    #[error("`{0}` is reserved")]
    Reserved(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_names_are_names_with_at_least_48_bits() {
        let words = petname::Petnames::small();
        let all = words.adjectives.len() as f64 * words.nouns.len() as f64 * 36f64.powi(6);
        assert!(all.log2() >= 48.0, "{} bits", all.log2());
        for adjective in words.adjectives.iter() {
            for noun in words.nouns.iter() {
                let name = format!("{adjective}-{noun}-zzzzzz");
                let parsed = Name::parse(&name).unwrap();
                assert_eq!(parsed.as_str(), name);
                assert!(parsed.is_drawn(), "{name}");
            }
        }
        let name = Name::random(&mut rand::rng());
        assert!(name.is_drawn());
        assert_eq!(Name::parse(name.as_str()), Ok(name));
        for other in ["my-tools", "my-tools-abcdef", "cool-penguin", "cool-penguin-abc", "cool-penguin-abcdef-x", "x"] {
            assert!(!Name::parse(other).unwrap().is_drawn(), "{other}");
        }
    }

    #[test]
    fn every_rule() {
        assert_eq!(Name::parse("My-Tools").map(String::from), Ok("my-tools".into()));
        assert_eq!(Name::parse(""), Err(InvalidName::Empty));
        assert_eq!(Name::parse(&"a".repeat(64)), Err(InvalidName::TooLong(64)));
        assert_eq!(Name::parse("my_tools"), Err(InvalidName::Character('_')));
        assert_eq!(Name::parse("a.b"), Err(InvalidName::Character('.')));
        assert_eq!(Name::parse("a\nb"), Err(InvalidName::Character('\n')));
        assert_eq!(Name::parse("pаypal"), Err(InvalidName::Character('а')));
        assert_eq!(Name::parse("-a"), Err(InvalidName::Hyphen));
        assert_eq!(Name::parse("xn--pypal-4ve"), Err(InvalidName::Encoded));
        assert_eq!(Name::parse("WWW"), Err(InvalidName::Reserved("www".into())));
    }
}
