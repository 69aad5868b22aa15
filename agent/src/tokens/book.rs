//! The book of a tunnel's tokens: what there is, what the relay has been told, and who has called with what.
//!
//! A change is written down here; the session tells the relay ([`Book::entries`]), and writes down what the relay
//! answers ([`Book::applied`]). Only then does the change count.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gantz_shared::control::{TokenEntry, TokenLife};
use gantz_shared::limits::MAX_TOKENS;
use gantz_shared::rate::Rate;
use gantz_shared::span::{MAX_SPAN, rounded};
use gantz_shared::token::{Digest, Token};
use rand::RngExt;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::label;
use super::record::{First, Record, Snapshot, seconds};
use crate::permissions::Permissions;

/// What the token that a run begins with is called in logs and by `gantz token`, unless one before it still is.
const FIRST_ID: &str = "run";

/// The shortest life that a token can be given. The longest is [`MAX_SPAN`].
pub const MIN_LIFE: Duration = Duration::from_secs(1);

/// Characters of a token's id behind its `t`; ids are names, not secrets.
const ID_LEN: usize = 6;

/// See the module's head.
#[derive(Debug)]
pub struct Book {
    pages: Mutex<Pages>,
    /// The newest generation, and the newest one that the relay checks callers against.
    generations: watch::Sender<Generations>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Generations {
    newest: u64,
    applied: u64,
}

#[derive(Debug)]
struct Pages {
    entries: Vec<Entry>,
    /// The one that the run shows; none once it is revoked.
    first: Option<First>,
}

#[derive(Debug)]
struct Entry {
    spec: Spec,
    /// Shared with the requests that are being looked at.
    permissions: Arc<Permissions>,
    id: String,
    digest: Digest,
    created: SystemTime,
    life: Life,
    calls: u64,
    last_used: Option<SystemTime>,
}

/// How long a token lives: by the relay's clock, once that has told; by a clock that nobody sets, until then.
#[derive(Debug, Clone, Copy)]
struct Life {
    ttl: Option<(Duration, Instant)>,
    /// Seconds since 1970, the relay's.
    expires_at: Option<u64>,
    /// By when it is dead whatever the relay's clock says, as far as that can be told without comparing clocks.
    over: Option<Instant>,
}

impl Life {
    /// One that begins now, and that the relay has not been told of.
    fn of(ttl: Option<Duration>) -> Self {
        let now = Instant::now();
        Self { ttl: ttl.map(|ttl| (ttl, now)), expires_at: None, over: ttl.and_then(|ttl| now.checked_add(ttl)) }
    }

    /// Ends after `grace`, unless it ends before.
    fn shorten(&mut self, grace: Duration) {
        let shorter = Self::of(Some(grace));
        // One that the relay has not been told of may be over before.
        let is_over_before = self.ttl.is_some_and(|(ttl, since)| ttl.saturating_sub(since.elapsed()) <= grace);
        if !is_over_before {
            self.ttl = shorter.ttl;
        }
        self.over = [self.over, shorter.over].into_iter().flatten().min();
    }
}

/// What a token is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// What its owner calls it.
    #[serde(default)]
    pub label: Option<String>,
    /// How long it lives; none: as long as the tunnel.
    #[serde(default)]
    pub ttl: Option<Duration>,
    /// How often it may be used.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// Which tools it may call.
    #[serde(default)]
    pub permissions: Permissions,
}

/// One token as its owner may see it: everything but the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub label: Option<String>,
    /// When it was made, seconds since 1970 by this machine's clock.
    pub created: u64,
    /// When it dies, seconds since 1970 by the relay's clock; none: never.
    pub expires: Option<u64>,
    /// When somebody last called with it, seconds since 1970 by this machine's clock.
    pub last_used: Option<u64>,
    /// How often somebody has.
    pub calls: u64,
    /// How often somebody may.
    pub rate: Option<Rate>,
    /// Which tools it may call.
    #[serde(default)]
    pub permissions: Permissions,
}

/// What a change has made.
#[derive(Debug)]
pub struct Changed {
    /// The relay checks callers against the change once it has applied this.
    pub generation: u64,
    /// The new token, if there is one.
    pub token: Option<Token>,
    /// The ids of the tokens that the change is about.
    pub ids: Vec<String>,
}

impl Book {
    /// A book with what a tunnel begins with, of which the first is the one that the run shows.
    #[must_use]
    pub fn new(entries: Vec<TokenEntry>) -> Self {
        let first = entries.first().map(|entry| First { id: entry.id.clone(), secret: None });
        Self::restored(Snapshot { first, records: entries.into_iter().map(Record::from).collect(), generation: 0 })
    }

    /// The book of a process that was; who has called with what begins anew.
    #[must_use]
    pub fn restored(snapshot: Snapshot) -> Self {
        let entries = snapshot.records.into_iter().map(Entry::from).collect();
        let mut pages = Pages { entries, first: snapshot.first };
        pages.forget_dead();
        Self { pages: Mutex::new(pages), generations: watch::Sender::default() }
    }

    /// Puts in front the token that the run begins with and shows; `is_brought`: its owner keeps it.
    ///
    /// # Errors
    /// [`TokenError::Full`]
    pub fn begin(&self, token: &Token, life: Option<Duration>, is_brought: bool) -> Result<(), TokenError> {
        let mut pages = self.pages();
        if pages.entries.len() >= MAX_TOKENS {
            return Err(TokenError::Full);
        }
        // One that was rotated may have it for as long as its grace lasts.
        let is_free = !pages.entries.iter().any(|entry| entry.id == FIRST_ID);
        let id = if is_free { FIRST_ID.to_owned() } else { pages.fresh_id() };
        let ttl = life.map(|life| life.as_secs());
        let entry = TokenEntry { ttl, ..TokenEntry::new(id.clone(), token.digest()) };
        pages.entries.insert(0, Record::from(entry).into());
        pages.first = Some(First { id, secret: (!is_brought).then(|| token.clone()) });
        Ok(())
    }

    /// The token that the run shows, unless it is revoked.
    #[must_use]
    pub fn first(&self) -> Option<Listed> {
        let pages = self.pages();
        let first = pages.first.as_ref()?;
        pages.entries.iter().find(|entry| entry.id == first.id).map(Entry::listed)
    }

    /// How long that one was to live when it was made; none: for ever.
    #[must_use]
    pub fn first_life(&self) -> Option<Duration> {
        let pages = self.pages();
        let first = pages.first.as_ref()?;
        pages.entries.iter().find(|entry| entry.id == first.id)?.spec.ttl
    }

    /// All that outlives the process.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let pages = self.pages();
        Snapshot {
            generation: self.generations.borrow().newest,
            first: pages.first.clone(),
            records: pages.entries.iter().map(Entry::record).collect(),
        }
    }

    /// Tells of whatever changes from now on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes(self.generations.subscribe())
    }

    // A poisoned lock is used all the same: no change under it is made in more than one step.
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`TokenError`]
    pub fn add(&self, spec: Spec) -> Result<Changed, TokenError> {
        let mut pages = self.pages();
        let (token, id) = pages.add(spec)?;
        Ok(self.changed(Some(token), vec![id]))
    }

    /// Makes a token that takes another one's place; the old one lives on for `grace`, if it has that long. Without
    /// `which` it is the tunnel's first one.
    ///
    /// # Errors
    /// [`TokenError`]
    pub fn rotate(&self, which: Option<&str>, grace: Duration) -> Result<Changed, TokenError> {
        if grace > MAX_SPAN {
            return Err(TokenError::Life(grace));
        }
        let mut pages = self.pages();
        pages.forget_dead();
        let old = pages.newest(which)?;
        let (spec, retired) = (pages.entries[old].spec.clone(), pages.entries[old].id.clone());
        // Without a grace the new one takes the place of the old one, and needs no other.
        let place = grace.is_zero().then(|| pages.entries.remove(old));
        let added = pages.add(spec);
        let (token, id) = match (added, place) {
            (Ok(added), _) => added,
            (Err(error), Some(place)) => {
                pages.entries.insert(old, place);
                return Err(error);
            }
            (Err(TokenError::Full), None) => return Err(TokenError::FullForGrace),
            (Err(error), None) => return Err(error),
        };
        if pages.first.as_ref().is_some_and(|first| first.id == retired) {
            pages.first = Some(First { id: id.clone(), secret: Some(token.clone()) });
        }
        // Where it was may be another's place: making the new one drops the dead.
        if let Some(old) = pages.entries.iter_mut().find(|entry| entry.id == retired) {
            old.life.shorten(grace);
        }
        Ok(self.changed(Some(token), vec![id, retired]))
    }

    /// Ends a token, or all of a label, at once.
    ///
    /// # Errors
    /// [`TokenError::Unknown`]
    pub fn revoke(&self, which: &str) -> Result<Changed, TokenError> {
        let mut pages = self.pages();
        let ids: Vec<String> =
            pages.entries.iter().filter(|entry| entry.is(which)).map(|entry| entry.id.clone()).collect();
        if ids.is_empty() {
            return Err(pages.unknown(which));
        }
        pages.entries.retain(|entry| !ids.contains(&entry.id));
        pages.first.take_if(|first| ids.contains(&first.id));
        Ok(self.changed(None, ids))
    }

    /// All tokens, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let pages = self.pages();
        pages.entries.iter().map(Entry::listed).collect()
    }

    /// Notes a call with the token of this id; answers with what it may do.
    pub fn used(&self, id: &str) -> Option<Arc<Permissions>> {
        let mut pages = self.pages();
        let entry = pages.entries.iter_mut().find(|entry| entry.id == id)?;
        entry.calls += 1;
        entry.last_used = Some(SystemTime::now());
        Some(entry.permissions.clone())
    }

    /// Whether one of them is for read-only tools.
    #[must_use]
    pub fn has_read_only(&self) -> bool {
        self.pages().entries.iter().any(|entry| entry.spec.permissions.read_only)
    }

    /// What the owner calls the token of this id.
    #[must_use]
    pub fn label(&self, id: &str) -> Option<String> {
        self.pages().entries.iter().find(|entry| entry.id == id)?.spec.label.clone()
    }

    /// What the relay is to be told, and the generation of it.
    #[must_use]
    pub fn entries(&self) -> (u64, Vec<TokenEntry>) {
        let pages = self.pages();
        // What has run out before the relay could be told is not told: it would live again.
        let entries = pages.entries.iter().filter(|entry| entry.left() != Some(0)).map(|entry| entry.record().entry());
        (self.generations.borrow().newest, entries.collect())
    }

    /// The relay checks callers against `generation`, and says when each token dies.
    pub fn applied(&self, generation: u64, lives: &[TokenLife]) {
        let mut pages = self.pages();
        let generations = *self.generations.borrow();
        let is_newest = generation == generations.newest;
        // What was said of an older one, by another connection, has been overtaken.
        for life in lives.iter().filter(|_| generation >= generations.applied) {
            if let Some(entry) = pages.entries.iter_mut().find(|entry| entry.id == life.id) {
                entry.life.expires_at = life.expires_at;
                // What has changed since is still to be told.
                if is_newest {
                    entry.life.ttl = None;
                }
            }
        }
        self.generations.send_modify(|generations| generations.applied = generations.applied.max(generation));
    }

    /// Waits until there is something that the relay has not applied. Cancel-safe.
    pub async fn untold(&self, told: u64) {
        // An error is the end of the sender, which is `self`.
        let _ = self.generations.subscribe().wait_for(|generations| generations.newest > told).await;
    }

    /// Waits until the relay checks callers against `generation`. Cancel-safe.
    pub async fn is_applied(&self, generation: u64) {
        let _ = self.generations.subscribe().wait_for(|generations| generations.applied >= generation).await;
    }

    fn changed(&self, token: Option<Token>, ids: Vec<String>) -> Changed {
        let mut generation = 0;
        self.generations.send_modify(|generations| {
            generations.newest += 1;
            generation = generations.newest;
        });
        Changed { generation, token, ids }
    }
}

/// See [`Book::changes`].
#[derive(Debug)]
pub struct Changes(watch::Receiver<Generations>);

impl Changes {
    /// Waits for the next change: of the book, or of what the relay says about it. Cancel-safe.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody has the book any more.
            std::future::pending::<()>().await;
        }
    }
}

impl Pages {
    fn add(&mut self, spec: Spec) -> Result<(Token, String), TokenError> {
        if let Some(ttl) = spec.ttl.filter(|ttl| !(MIN_LIFE..=MAX_SPAN).contains(ttl)) {
            return Err(TokenError::Life(ttl));
        }
        if let Some(label) = &spec.label {
            label::flaw(label).map_or(Ok(()), |why| Err(TokenError::Label(why)))?;
            if self.entries.iter().any(|entry| entry.id == *label) {
                return Err(TokenError::Label("is the id of another token"));
            }
        }
        self.forget_dead();
        if self.entries.len() >= MAX_TOKENS {
            return Err(TokenError::Full);
        }
        let token = Token::generate(&mut SysRng).map_err(|error| TokenError::Random(error.to_string()))?;
        let id = self.fresh_id();
        self.entries.push(Entry {
            life: Life::of(spec.ttl),
            permissions: Arc::new(spec.permissions.clone()),
            spec,
            id: id.clone(),
            digest: token.digest(),
            created: SystemTime::now(),
            calls: 0,
            last_used: None,
        });
        Ok((token, id))
    }

    fn fresh_id(&self) -> String {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        loop {
            let id: String = std::iter::once('t')
                .chain((0..ID_LEN).map(|_| char::from(LETTERS[rand::rng().random_range(0..LETTERS.len())])))
                .collect();
            if !self.entries.iter().any(|entry| entry.is(&id)) {
                return id;
            }
        }
    }

    /// The newest token of an id or a label; without either the one that the run shows, or else the oldest one's line.
    fn newest(&self, which: Option<&str>) -> Result<usize, TokenError> {
        match which {
            Some(which) => self.entries.iter().rposition(|entry| entry.is(which)).ok_or_else(|| self.unknown(which)),
            None => {
                let shown = self.first.as_ref().map(|first| &first.id);
                if let Some(shown) = self.entries.iter().position(|entry| Some(&entry.id) == shown) {
                    return Ok(shown);
                }
                // Another one is another caller's: which of them is meant has to be said.
                Err(TokenError::NoFirst { known: self.known() })
            }
        }
    }

    fn unknown(&self, which: &str) -> TokenError {
        TokenError::Unknown { which: which.to_owned(), known: self.known() }
    }

    /// How the tokens are called, for their owner.
    fn known(&self) -> Vec<String> {
        let known = self.entries.iter().map(|entry| match &entry.spec.label {
            Some(label) => format!("{} ({label})", entry.id),
            None => entry.id.clone(),
        });
        known.collect()
    }

    /// Drops those that the relay's clock, which may be another one, says are long dead.
    fn forget_dead(&mut self) {
        /// The relay counts in whole seconds, and hears of a token a moment later.
        const MARGIN: Duration = Duration::from_secs(5);
        self.entries.retain(|entry| entry.life.over.is_none_or(|over| over.elapsed() < MARGIN));
    }
}

impl Entry {
    fn is(&self, which: &str) -> bool {
        self.id == which || self.spec.label.as_deref() == Some(which)
    }

    /// Seconds that are left of a life that the relay has not been told of.
    fn left(&self) -> Option<u64> {
        self.life.ttl.map(|(ttl, since)| {
            let left = ttl.saturating_sub(since.elapsed());
            // A second that has begun counts: a life is never shorter than it was said to be.
            left.as_secs().saturating_add(u64::from(left.subsec_nanos() > 0))
        })
    }

    fn record(&self) -> Record {
        Record {
            id: self.id.clone(),
            digest: self.digest,
            label: self.spec.label.clone(),
            created: seconds(self.created),
            life: self.spec.ttl.map(|life| life.as_secs()),
            left: self.left(),
            ends: self.left().map(|left| seconds(SystemTime::now()).saturating_add(left)),
            expires_at: self.life.expires_at,
            rate: self.spec.rate,
            permissions: self.spec.permissions.clone(),
        }
    }

    fn listed(&self) -> Listed {
        // Until the relay has told, by this machine's clock.
        let ttl = self.life.ttl.map(|(ttl, since)| {
            let begun = seconds(SystemTime::now()).saturating_sub(since.elapsed().as_secs());
            begun.saturating_add(ttl.as_secs())
        });
        Listed {
            id: self.id.clone(),
            label: self.spec.label.clone(),
            created: seconds(self.created),
            expires: [ttl, self.life.expires_at].into_iter().flatten().min(),
            last_used: self.last_used.map(seconds),
            calls: self.calls,
            rate: self.spec.rate,
            permissions: self.spec.permissions.clone(),
        }
    }
}

impl From<Record> for Entry {
    fn from(record: Record) -> Self {
        let left = record.left_at(SystemTime::now());
        Self {
            permissions: Arc::new(record.permissions.clone()),
            spec: Spec {
                label: record.label,
                ttl: record.life.map(Duration::from_secs),
                rate: record.rate,
                permissions: record.permissions,
            },
            id: record.id,
            digest: record.digest,
            created: UNIX_EPOCH.checked_add(Duration::from_secs(record.created)).unwrap_or(UNIX_EPOCH),
            life: Life { expires_at: record.expires_at, ..Life::of(left.map(Duration::from_secs)) },
            calls: 0,
            last_used: None,
        }
    }
}

/// Why the book is not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// There is no such token.
    Unknown {
        /// What was asked for.
        which: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The tunnel's first token is gone.
    NoFirst {
        /// What there is.
        known: Vec<String>,
    },
    /// There are as many as there may be.
    Full,
    /// Likewise, and one that goes on for a grace would need one more.
    FullForGrace,
    /// A life or a grace that is shorter or longer than there are.
    Life(Duration),
    /// A label that cannot be one.
    Label(&'static str),
    /// The system gives no random bytes.
    Random(String),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { which, known } if known.is_empty() => {
                write!(f, "`{which}` is no token of this tunnel, which has none")
            }
            Self::Unknown { which, known } => {
                write!(f, "`{which}` is no token of this tunnel; one of {}", known.join(", "))
            }
            Self::NoFirst { known } if known.is_empty() => {
                f.write_str("this tunnel has no token; `gantz token add` makes one")
            }
            Self::NoFirst { known } => {
                write!(
                    f,
                    "the tunnel's first token is gone, and which other one is not said; one of {}",
                    known.join(", ")
                )
            }
            Self::Full => {
                write!(f, "this tunnel has {MAX_TOKENS} tokens, as many as it may; `gantz token revoke` ends one")
            }
            Self::FullForGrace => write!(
                f,
                "this tunnel has {MAX_TOKENS} tokens, as many as it may, and the old one would go on beside the new one; \
                 `--grace 0` puts the new one in its place at once"
            ),
            Self::Life(span) if *span < MIN_LIFE => f.write_str("the life is over before it has begun; at least 1s"),
            Self::Life(_) => write!(f, "the time is longer than there are; at most {}", rounded(MAX_SPAN)),
            Self::Label(why) => write!(f, "the label {why}; a short word such as ci or alice"),
            Self::Random(why) => write!(f, "the system gives no random bytes: {why}"),
        }
    }
}

impl std::error::Error for TokenError {}

#[cfg(test)]
mod tests;
