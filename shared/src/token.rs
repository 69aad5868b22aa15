//! Tokens (what callers show) and their digests (all the relay ever holds).

use std::fmt;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryCryptoRng;
use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq};

use crate::limits::{MAX_TOKEN_LEN, MIN_TOKEN_LEN};

/// What every generated token starts with, so that secret scanners and people know one when they see it.
pub const PREFIX: &str = "gtz_";

/// The characters after the prefix: 256 bits in base64url.
pub const SECRET_LEN: usize = 43;

/// A bearer token. It never leaves the agent but for the two places where the user asked to see it; `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// `gtz_` and 256 bits from `rng`, which is to be the system's generator.
    ///
    /// # Errors
    /// What the generator reports.
    pub fn generate<R: TryCryptoRng>(rng: &mut R) -> Result<Self, R::Error> {
        let mut secret = [0; 32];
        rng.try_fill_bytes(&mut secret)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret))))
    }

    /// Takes a token that the user brings.
    ///
    /// # Errors
    /// [`InvalidToken`] when it is too short to withstand guessing, or cannot stand in a field (RFC 6750 §2.1
    /// `b64token`).
    pub fn parse(brought: &str) -> Result<Self, InvalidToken> {
        if brought.len() < MIN_TOKEN_LEN {
            return Err(InvalidToken::TooShort(brought.len()));
        }
        if brought.len() > MAX_TOKEN_LEN {
            return Err(InvalidToken::TooLong(brought.len()));
        }
        if !is_b64token(brought.as_bytes()) {
            return Err(InvalidToken::Character);
        }
        Ok(Self(brought.to_owned()))
    }

    /// The secret, for the screen line and the `ready` event that show it to its owner, and for nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the relay is told.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Whether `bytes` is what RFC 6750 §2.1 allows after `Bearer `.
#[must_use]
pub fn is_b64token(bytes: &[u8]) -> bool {
    let body = bytes.iter().rposition(|byte| *byte != b'=').map_or(&bytes[..0], |last| &bytes[..=last]);
    !body.is_empty()
        && body
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/'))
}

/// Why a brought token is refused. The token itself is in none of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidToken {
    /// Too few characters for 128 bits.
    #[error("it has {0} character{s}; {MIN_TOKEN_LEN} are the least that can hold 128 bits", s = if *.0 == 1 { "" } else { "s" })]
    TooShort(usize),
    /// Too many characters.
    #[error("it has {0} characters; {MAX_TOKEN_LEN} are the most")]
    TooLong(usize),
    /// A character that `Authorization: Bearer` cannot carry.
    #[error(
        "it has a character that RFC 6750 does not allow in a bearer token (letters, digits, -._~+/ and = at the end)"
    )]
    Character,
}

/// SHA-256 of a token. Comparing is constant in time; there is no `PartialEq` to compare it by accident.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of what somebody presented.
    #[must_use]
    pub fn of(presented: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, presented).as_ref());
        Self(bytes)
    }

    /// Compares without telling by its duration how much was equal.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidDigest)?;
        bytes.try_into().map(Self).map_err(|_| InvalidDigest)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        URL_SAFE_NO_PAD.encode(digest.0)
    }
}

/// Not 32 bytes in base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 32 bytes in base64url")]
pub struct InvalidDigest;

#[cfg(test)]
mod tests {
    use rand::rngs::SysRng;

    use super::*;

    #[test]
    fn generated_tokens_have_the_promised_shape() {
        let token = Token::generate(&mut SysRng).unwrap();
        let secret = token.reveal().strip_prefix(PREFIX).unwrap();
        assert_eq!(secret.len(), SECRET_LEN);
        assert!(secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        assert_ne!(token, Token::generate(&mut SysRng).unwrap());
        assert_eq!(Token::parse(token.reveal()), Ok(token));
    }

    #[test]
    fn debug_shows_nothing() {
        let token = Token::generate(&mut SysRng).unwrap();
        assert_eq!(format!("{token:?} {:?}", token.digest()), "Token(…) Digest(…)");
    }

    #[test]
    fn brought_tokens() {
        assert_eq!(Token::parse("short"), Err(InvalidToken::TooShort(5)));
        assert_eq!(Token::parse(&"a".repeat(513)), Err(InvalidToken::TooLong(513)));
        assert_eq!(Token::parse("with space in the middle of it"), Err(InvalidToken::Character));
        assert_eq!(Token::parse(&"=".repeat(30)), Err(InvalidToken::Character));
        assert!(Token::parse("abcdefghijklmnopqrstuv==").is_ok());
    }

    #[test]
    fn digests_compare() {
        let digest = Digest::of(b"abc");
        assert!(bool::from(digest.ct_eq(&Digest::of(b"abc"))));
        assert!(!bool::from(digest.ct_eq(&Digest::of(b"abd"))));
        let text = String::from(digest);
        assert_eq!(text, "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"); // FIPS 180-2 §B.1
        assert!(bool::from(Digest::try_from(text).unwrap().ct_eq(&digest)));
    }
}
