//! A token as it outlives its process: all of it but the secret, and but who has called with it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gantz_shared::control::TokenEntry;
use gantz_shared::rate::Rate;
use gantz_shared::token::{Digest, Token};
use serde::{Deserialize, Serialize};

use crate::permissions::Permissions;

/// One token. What is not understood is refused: it might be what a token may not do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// Its digest.
    pub digest: Digest,
    /// What its owner calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// When it was made, seconds since 1970 by this machine's clock.
    pub created: u64,
    /// How many seconds one that takes its place lives; none: as long as the tunnel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<u64>,
    /// How many seconds are left of its life, where the relay has not been told of that yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// With `left`: when they are over by this machine's clock, seconds since 1970. Whichever is over first counts, so
    /// that neither a restart nor a clock that was set back begins them anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<u64>,
    /// When it dies, seconds since 1970 by the relay's clock; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// How often it may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Which tools it may call.
    #[serde(default)]
    pub permissions: Permissions,
}

impl Record {
    /// What the relay is told.
    #[must_use]
    pub fn entry(&self) -> TokenEntry {
        TokenEntry {
            ttl: self.left,
            expires_at: self.expires_at,
            rate: self.rate,
            label: self.label.clone(),
            ..TokenEntry::new(self.id.clone(), self.digest)
        }
    }

    /// Whether its time has come, by this machine's clock: the relay's is not known before it is asked.
    #[must_use]
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.expires_at.is_some_and(|at| at <= seconds(now))
    }

    /// What is `left` now. Where the clock was set back since that was written down, nobody knows how long ago it was:
    /// then it is over.
    pub(super) fn left_at(&self, now: SystemTime) -> Option<u64> {
        let until = self.ends.map(|ends| ends.saturating_sub(seconds(now)));
        // Of the seconds, parts are not told.
        let is_set_back = |left: u64| until.is_some_and(|until| until > left.saturating_add(1));
        self.left.map(|left| if is_set_back(left) { 0 } else { until.map_or(left, |until| until.min(left)) })
    }

    /// Has it live for `life` from now on at most; in vain where it has less than that left. Its successors live as long.
    /// Answers whether that is so.
    pub fn live_at_most(&mut self, life: Option<Duration>, now: SystemTime) -> bool {
        self.life = life.map(|life| life.as_secs());
        let left = self.expires_at.map(|at| at.saturating_sub(seconds(now)));
        let is_shorter = self.life.is_some_and(|life| left.is_none_or(|left| life < left));
        if is_shorter {
            self.left = self.life;
            self.ends = self.life.map(|life| seconds(now).saturating_add(life));
        }
        is_shorter
    }
}

impl From<TokenEntry> for Record {
    fn from(entry: TokenEntry) -> Self {
        Self {
            id: entry.id,
            digest: entry.digest,
            label: entry.label,
            created: seconds(SystemTime::now()),
            life: entry.ttl,
            left: entry.ttl,
            ends: None,
            expires_at: entry.expires_at,
            rate: entry.rate,
            permissions: Permissions::default(),
        }
    }
}

/// The token that a run begins with, and shows.
#[derive(Debug, Clone)]
pub struct First {
    /// Its id.
    pub id: String,
    /// The token; none where its owner has brought it, and keeps it elsewhere.
    pub secret: Option<Token>,
}

/// All of a book at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The newest change in it.
    pub generation: u64,
    /// The first token, unless that is revoked.
    pub first: Option<First>,
    /// All tokens, oldest first.
    pub records: Vec<Record>,
}

/// Seconds since 1970.
pub(super) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_only_ever_made_shorter() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let hour = Some(Duration::from_secs(3600));
        for (expires_at, life, is_shorter) in [
            (Some(1_100), hour, false),
            (Some(1_100), None, false),
            (Some(10_000), hour, true),
            (None, hour, true),
            (None, None, false),
        ] {
            let mut record = Record { expires_at, ..TokenEntry::new("run", Digest::of(b"first")).into() };
            assert_eq!(record.live_at_most(life, now), is_shorter, "{expires_at:?} {life:?}");
            assert_eq!(record.left, life.filter(|_| is_shorter).map(|life| life.as_secs()));
            assert_eq!((record.life, record.expires_at), (life.map(|life| life.as_secs()), expires_at));
        }
    }
}
