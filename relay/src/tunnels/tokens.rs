//! The live tokens of a tunnel: who may call, for how long and how often. The relay's clock alone decides when one dies.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gantz_shared::control::{TokenEntry, TokenLife};
use gantz_shared::rate::Rate;
use gantz_shared::token::Digest;
use subtle::{Choice, ConditionallySelectable};
use tokio_util::sync::CancellationToken;

use crate::rates::Bucket;

/// One token, as callers meet it.
#[derive(Debug)]
pub(crate) struct Token {
    id: String,
    digest: Digest,
    /// Seconds since 1970; none: never.
    expires_at: Option<u64>,
    rate: Rate,
    bucket: Arc<Bucket>,
    /// Fires when the token is revoked or dies; what it has opened ends then.
    dead: CancellationToken,
}

impl Token {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// How often it may be used.
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    pub(crate) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Fires when it no longer lets anybody in.
    pub(crate) fn dead(&self) -> &CancellationToken {
        &self.dead
    }

    fn is_expired(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// What a credential is worth.
#[derive(Debug)]
pub(crate) enum Admission {
    /// This token lets the caller in.
    Granted(Arc<Token>),
    /// The token was right once.
    Expired,
    /// No live token is like it.
    Unknown,
}

/// All tokens of a tunnel.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Vec<Arc<Token>>);

impl Tokens {
    /// What follows on `self` when the agent says `entries`. A token that was there before keeps its life, unless the
    /// agent now shortens it, and what it has used up of its rate. Those that are gone are dead.
    pub(crate) fn replaced(&self, entries: Vec<TokenEntry>, default: Rate) -> Self {
        let now = now();
        let next = entries.into_iter().map(|entry| {
            let before =
                self.0.iter().find(|token| token.id == entry.id && bool::from(token.digest.ct_eq(&entry.digest)));
            let ends = [
                // A second that has begun counts: a life is never shorter than it was said to be.
                entry.ttl.map(|ttl| now.saturating_add(1).saturating_add(ttl)),
                entry.expires_at,
                before.and_then(|before| before.expires_at),
            ];
            let rate = entry.rate.unwrap_or(default);
            let bucket = before.filter(|before| before.rate == rate).map(|before| before.bucket.clone());
            Arc::new(Token {
                expires_at: ends.into_iter().flatten().min(),
                rate,
                bucket: bucket.unwrap_or_else(|| Arc::new(Bucket::new(rate))),
                dead: before.map_or_else(CancellationToken::new, |before| before.dead.clone()),
                id: entry.id,
                digest: entry.digest,
            })
        });
        let next = Self(next.collect());
        for gone in &self.0 {
            if !next.0.iter().any(|token| token.id == gone.id && bool::from(token.digest.ct_eq(&gone.digest))) {
                gone.dead.cancel();
            }
        }
        next
    }

    /// Compares what a caller presented with every digest, without an early exit: neither the answer's time nor the
    /// work tells which token was close, or whether there is one.
    pub(crate) fn admit(&self, presented: &[u8]) -> Admission {
        let presented = Digest::of(presented);
        let now = now();
        let (mut live, mut expired) = (u32::MAX, Choice::from(0));
        for (index, token) in (0u32..).zip(&self.0) {
            let equal = presented.ct_eq(&token.digest);
            // When a token dies is no secret; that it was presented is.
            let is_live = Choice::from(u8::from(!token.is_expired(now)));
            live = u32::conditional_select(&live, &index, equal & is_live);
            expired |= equal & !is_live;
        }
        match self.0.get(live as usize) {
            Some(token) => Admission::Granted(token.clone()),
            None if expired.into() => Admission::Expired,
            None => Admission::Unknown,
        }
    }

    /// When each of them dies, for the agent.
    pub(crate) fn lives(&self) -> Vec<TokenLife> {
        self.0.iter().map(|token| TokenLife { id: token.id.clone(), expires_at: token.expires_at }).collect()
    }

    /// Ends what dead tokens have opened. Answers with the time until the next one dies.
    pub(crate) fn bury(&self) -> Option<Duration> {
        let now = now();
        for token in self.0.iter().filter(|token| token.is_expired(now)) {
            token.dead.cancel();
        }
        let next = self.0.iter().filter_map(|token| token.expires_at).filter(|at| *at > now).min();
        // Up to a second late: the clock is read in whole ones.
        next.map(|at| Duration::from_secs(at - now))
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::per_second(1, 1);

    fn entry(id: &str, token: &[u8]) -> TokenEntry {
        TokenEntry::new(id, Digest::of(token))
    }

    fn granted(tokens: &Tokens, presented: &[u8]) -> Arc<Token> {
        match tokens.admit(presented) {
            Admission::Granted(token) => token,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_life_is_counted_by_the_relay_and_only_ever_gets_shorter() {
        let begun = now();
        let first = Tokens::default().replaced(vec![TokenEntry { ttl: Some(100), ..entry("a", b"a") }], RATE);
        let end = first.lives()[0].expires_at.unwrap();
        assert!((begun + 100..=now() + 101).contains(&end));
        for (ttl, expires_at, expected) in
            [(None, None, end), (Some(1000), None, end), (Some(1000), Some(end), end), (None, Some(end - 50), end - 50)]
        {
            let entry = TokenEntry { ttl, expires_at, ..entry("a", b"a") };
            assert_eq!(
                first.replaced(vec![entry], RATE).lives()[0].expires_at,
                Some(expected),
                "{ttl:?} {expires_at:?}"
            );
        }
        let shorter = first.replaced(vec![TokenEntry { ttl: Some(10), ..entry("a", b"a") }], RATE);
        assert!(shorter.lives()[0].expires_at.unwrap() <= now() + 11);
        let endless = Tokens::default().replaced(vec![TokenEntry { ttl: Some(u64::MAX), ..entry("a", b"a") }], RATE);
        assert_eq!(endless.lives()[0].expires_at, Some(u64::MAX));
        assert!(endless.bury().is_some());
    }

    #[test]
    fn what_is_gone_is_dead_and_what_stays_is_the_same_token() {
        let first = Tokens::default().replaced(vec![entry("a", b"a"), entry("b", b"b")], RATE);
        let (a, b) = (granted(&first, b"a"), granted(&first, b"b"));
        assert!(a.bucket().take().is_ok());
        let second = first.replaced(vec![entry("a", b"a"), entry("b", b"another")], RATE);
        assert!(!a.dead().is_cancelled());
        assert!(b.dead().is_cancelled(), "another secret is another token");
        assert!(granted(&second, b"a").bucket().take().is_err(), "what is used up stays used up");
        assert!(matches!(second.admit(b"b"), Admission::Unknown));
    }

    #[test]
    fn the_dead_are_buried_once_their_time_has_come() {
        let tokens = Tokens::default()
            .replaced(vec![TokenEntry { expires_at: Some(now() - 1), ..entry("a", b"a") }, entry("b", b"b")], RATE);
        assert!(matches!(tokens.admit(b"a"), Admission::Expired));
        assert_eq!(tokens.bury(), None);
        assert!(tokens.0[0].dead.is_cancelled());
        assert!(!tokens.0[1].dead.is_cancelled());
    }
}
