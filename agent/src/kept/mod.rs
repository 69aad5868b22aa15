//! What a tunnel leaves for the next run: its name, the relay's ticket for it, and its tokens, in a file of its own.
//!
//! ```text
//! ~/.local/state/gantz/tunnels/KEY.json   written whole or not at all, 0600 in a folder that only its owner enters
//!                              KEY.lock   held for as long as gantz runs, with its process number
//! ```
//!
//! The secret in it is the token that a run shows, because the next one shows it again. Of all others there is a digest.

mod file;
mod keeper;
mod lock;
mod place;

use gantz_shared::control::{Secret, check_tokens};
use gantz_shared::name::Name;
use gantz_shared::token::Token;
use serde::{Deserialize, Serialize};

pub use file::{MAX_FILE, Unusable};
pub use keeper::{Keeper, Tokens, Warn};
pub use lock::{Lock, NoLock};
pub use place::{NoPlace, Place, Project};

use crate::tokens::{First, Record, Snapshot};

/// Of the file's form.
const VERSION: u32 = 1;

/// See the module's head. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The tunnel's name.
    pub name: Name,
    /// The relay's ticket for it.
    pub ticket: Secret,
    /// Its tokens.
    pub tokens: Snapshot,
}

/// As it is in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    name: Name,
    ticket: Secret,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<FirstForm>,
    tokens: Vec<Record>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstForm {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Secret>,
}

/// What every version has.
#[derive(Debug, Deserialize)]
struct Versioned {
    version: u32,
}

impl Kept {
    /// Reads what [`to_bytes`](Self::to_bytes) has made. What is not understood is refused, and no error repeats it.
    fn from_bytes(bytes: &[u8]) -> Result<Self, Unusable> {
        let Versioned { version } = serde_json::from_slice(bytes).map_err(|_| Unusable::Damaged)?;
        if version != VERSION {
            return Err(Unusable::Version(version));
        }
        let form: Form = serde_json::from_slice(bytes).map_err(|_| Unusable::Damaged)?;
        let entries: Vec<_> = form.tokens.iter().map(Record::entry).collect();
        check_tokens(&entries).map_err(|_| Unusable::Damaged)?;
        let first = form.first.map(|first| first.checked(&form.tokens)).transpose()?;
        let tokens = Snapshot { generation: 0, first, records: form.tokens };
        Ok(Self { name: form.name, ticket: form.ticket, tokens })
    }

    fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let first = self.tokens.first.as_ref().map(|first| FirstForm {
            id: first.id.clone(),
            secret: first.secret.as_ref().map(|secret| Secret::new(secret.reveal().to_owned())),
        });
        serde_json::to_vec(&Form {
            version: VERSION,
            name: self.name.clone(),
            ticket: self.ticket.clone(),
            first,
            tokens: self.tokens.records.clone(),
        })
    }
}

impl FirstForm {
    /// The secret is that of the token whose digest callers are checked against.
    fn checked(self, tokens: &[Record]) -> Result<First, Unusable> {
        let secret = match self.secret {
            None => None,
            Some(secret) => {
                let token = Token::parse(secret.reveal()).map_err(|_| Unusable::Damaged)?;
                let record = tokens.iter().find(|record| record.id == self.id).ok_or(Unusable::Damaged)?;
                if !bool::from(record.digest.ct_eq(&token.digest())) {
                    return Err(Unusable::Damaged);
                }
                Some(token)
            }
        };
        Ok(First { id: self.id, secret })
    }
}

#[cfg(test)]
mod tests {
    use gantz_shared::control::TokenEntry;
    use rand::rngs::SysRng;

    use super::*;

    pub(super) fn kept() -> Kept {
        let token = Token::generate(&mut SysRng).unwrap();
        let record = TokenEntry { expires_at: Some(2_000_000_000), ..TokenEntry::new("run", token.digest()) }.into();
        let first = Some(First { id: "run".into(), secret: Some(token) });
        Kept {
            name: Name::parse("cool-penguin-7f3k9q").unwrap(),
            ticket: Secret::new("ticket".into()),
            tokens: Snapshot { generation: 0, first, records: vec![record] },
        }
    }

    #[test]
    fn what_was_kept_comes_back() {
        let kept = kept();
        let again = Kept::from_bytes(&kept.to_bytes().unwrap()).unwrap();
        assert_eq!((&again.name, &again.ticket), (&kept.name, &kept.ticket));
        assert_eq!(again.tokens.first.unwrap().secret, kept.tokens.first.clone().unwrap().secret);
        assert_eq!(again.tokens.records[0].expires_at, Some(2_000_000_000));
        assert!(!format!("{kept:?}").contains("gtz_"), "{kept:?}");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let text = String::from_utf8(kept().to_bytes().unwrap()).unwrap();
        let secret = text.split_once(r#""secret":""#).unwrap().1.split('"').next().unwrap().to_owned();
        let other = Token::generate(&mut SysRng).unwrap();
        for (from, to) in [
            ("}]}", "}]"),
            (r#""permissions":{}"#, r#""permissions":{"no_tools":true}"#),
            (r#""permissions":{}"#, r#""only_on":"monday""#),
            (r#""tokens":["#, r#""tokens":[{},"#),
            (r#""id":"run""#, r#""id":"other""#),
            ("cool-penguin-7f3k9q", "not a name"),
            (&*secret, other.reveal()),
            (&*secret, "short"),
        ] {
            let bad = text.replacen(from, to, 1);
            assert_ne!(bad, text, "{from}");
            assert!(matches!(Kept::from_bytes(bad.as_bytes()), Err(Unusable::Damaged)), "{from} {to}");
        }
        let newer = text.replacen(r#""version":1"#, r#""version":2,"more":[]"#, 1);
        assert!(matches!(Kept::from_bytes(newer.as_bytes()), Err(Unusable::Version(2))));
    }
}
