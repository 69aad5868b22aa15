//! Resume tickets: the relay's own word, by HMAC-SHA-256, that a name is its holder's. They need no database; whoever
//! has the key of the state folder can check them.
//!
//! Layout, then base64url: version (1), claimed (8, milliseconds since 1970), name length (1), name, access key digest
//! (32, zero without one), tag (32).
//!
//! All tickets of a holder have the time at which the name was first claimed, so that a name that was given up and then
//! claimed by somebody else is not brought back by a ticket of before.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gantz_shared::control::Secret;
use gantz_shared::name::Name;

const VERSION: u8 = 1;
const TAG_LEN: usize = 32;

/// Makes and checks tickets.
pub(crate) struct Tickets {
    key: hmac::Key,
}

impl Tickets {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// A ticket for `name`, claimed then, good only together with the same access key.
    pub(crate) fn issue(&self, name: &Name, claimed: u64, access_key: Option<&Secret>) -> Secret {
        let mut ticket = vec![VERSION];
        ticket.extend_from_slice(&claimed.to_be_bytes());
        ticket.push(name.as_str().len() as u8);
        ticket.extend_from_slice(name.as_str().as_bytes());
        ticket.extend_from_slice(&key_digest(access_key));
        let tag = hmac::sign(&self.key, &ticket);
        ticket.extend_from_slice(tag.as_ref());
        Secret::new(URL_SAFE_NO_PAD.encode(ticket))
    }

    /// The name of a ticket that this relay issued to the holder of `access_key`, and when it was claimed.
    pub(crate) fn redeem(&self, ticket: &Secret, access_key: Option<&Secret>) -> Option<(Name, u64)> {
        let ticket = URL_SAFE_NO_PAD.decode(ticket.reveal()).ok()?;
        let (body, tag) = ticket.split_at_checked(ticket.len().checked_sub(TAG_LEN)?)?;
        hmac::verify(&self.key, body, tag).ok()?;
        let (claimed, rest) = body.strip_prefix(&[VERSION])?.split_first_chunk()?;
        let (len, rest) = rest.split_first()?;
        let (name, key) = rest.split_at_checked(usize::from(*len))?;
        if key != key_digest(access_key) {
            return None;
        }
        Some((Name::parse(std::str::from_utf8(name).ok()?).ok()?, u64::from_be_bytes(*claimed)))
    }
}

fn key_digest(access_key: Option<&Secret>) -> [u8; 32] {
    let mut digest = [0; 32];
    if let Some(key) = access_key {
        digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.reveal().as_bytes()).as_ref());
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_relay_and_this_key() {
        let tickets = Tickets::new(&[7; 32]);
        let name = Name::parse("my-tools").unwrap();
        let key = Secret::new("gzk_a".into());
        let ticket = tickets.issue(&name, 7, Some(&key));
        assert_eq!(tickets.redeem(&ticket, Some(&key)), Some((name, 7)));
        assert_eq!(tickets.redeem(&ticket, None), None);
        assert_eq!(tickets.redeem(&ticket, Some(&Secret::new("gzk_b".into()))), None);
        assert_eq!(Tickets::new(&[8; 32]).redeem(&ticket, Some(&key)), None);
        for broken in ["", "AA", "not base64!", &ticket.reveal()[1..]] {
            assert_eq!(tickets.redeem(&Secret::new(broken.to_owned()), Some(&key)), None);
        }
    }
}
