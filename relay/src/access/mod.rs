//! Who may open tunnels, and under which names: access keys and reserved names, kept in SQLite.
//!
//! ```text
//! gantz-relay key, names ─▶ access.db ◀─ one thread ─▶ book (in memory) ◀─ greetings
//! admin API ─────────────────────────────▲
//! ```
//!
//! - A key is told once, to whoever made it; the file holds its SHA-256.
//! - A greeting asks the book, once the thread has looked whether it is as the file is. Only a name that is claimed is
//!   written.
//! - The command line writes to the same file as a relay that runs. The relay's thread looks whether somebody else has
//!   written ([`POLL`]), and then reads the keys again: a revocation needs neither an address nor a token of the relay,
//!   and cannot miss it. Tunnels of a key that is revoked, or whose time is over, are closed there and then.

mod book;
mod database;
mod described;
mod expiry;
mod globs;
mod key;
mod migrations;
mod snapshot;
mod thread;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gantz_shared::control::Secret;
use gantz_shared::name::Name;

pub(crate) use book::{Book, NotAdmitted, Seat};
pub(crate) use database::{Claimed, Database, Reservation};
pub(crate) use described::{described, made, reserved};
pub(crate) use expiry::{Expiry, timestamp};
pub(crate) use globs::NameGlobs;
pub(crate) use key::{Key, Terms};

use thread::Thread;

/// The file, in the state folder.
pub(crate) const FILE: &str = "access.db";

/// How often the relay looks whether the file has changed, and whether a key has died. It costs no read of the disk.
pub(crate) const POLL: Duration = Duration::from_millis(100);

/// How long a write waits for another process's.
const BUSY: Duration = Duration::from_secs(5);

/// How long a write waits that is only to tell whether there can be one: others wait behind it.
const TRY_BUSY: Duration = Duration::from_secs(1);

/// Keys that are kept, revoked ones among them: each greeting compares with every one.
pub(crate) const MAX_KEYS: usize = 10_000;

/// Names that one key may have reserved.
pub(crate) const MAX_NAMES_PER_KEY: usize = 100;

/// Characters of a key's label.
pub(crate) const MAX_LABEL: usize = 64;

/// Why keys and names cannot be read, or a change is not made. None of them holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The database.
    #[error("{0}")]
    Database(#[from] rusqlite::Error),
    /// The file, or its folder.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The state folder.
    #[error(transparent)]
    State(#[from] crate::state::StateError),
    /// A later version has written it.
    #[error("a newer gantz-relay has written it (form {0})")]
    Newer(i64),
    /// It says what no version writes, or not all of it is there.
    #[error("damaged: {0}")]
    Damaged(String),
    /// No key is called that.
    #[error("no access key is called `{0}`")]
    UnknownKey(String),
    /// Over [`MAX_KEYS`].
    #[error("there are {MAX_KEYS} access keys, revoked ones among them; more are not kept")]
    TooManyKeys,
    /// The label cannot be one.
    #[error("a label has 1 to {MAX_LABEL} characters, and no control character")]
    BadLabel,
    /// The relay ends.
    #[error("the relay is shutting down")]
    Closed,
}

/// The keys of a relay that runs. The last clone ends the thread that writes.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    book: Arc<Book>,
    thread: Arc<Thread>,
}

impl Keys {
    /// Opens the file in `dir`, or a database in memory. A first start makes a first key, which is told to nobody else.
    pub(crate) fn open(dir: Option<&Path>) -> Result<(Self, Option<Secret>), AccessError> {
        let mut database = match dir {
            Some(dir) => Database::open(&dir.join(FILE))?,
            None => Database::in_memory()?,
        };
        database.check()?;
        let first = if database.has_keys()? {
            None
        } else {
            Some(database.add(&Terms { label: "first".into(), ..Terms::default() }, now())?.1)
        };
        let book = Arc::new(Book::new(database.keys()?));
        let thread = Arc::new(Thread::start(database, book.clone())?);
        Ok((Self { book, thread }, first))
    }

    /// Who may come in, and who is in.
    pub(crate) fn book(&self) -> &Arc<Book> {
        &self.book
    }

    /// The key that was shown, if it lets its holder in by now: a key that somebody has made or revoked a moment ago counts.
    pub(crate) async fn admit(&self, shown: Option<&Secret>) -> Result<Arc<Key>, NotAdmitted> {
        if let Err(error) = self.thread.run(|_| Ok(())).await {
            tracing::debug!(%error, "access keys are as they were last read");
        }
        self.book.admit(shown)
    }

    /// Makes a key, which only the caller learns.
    pub(crate) async fn add(&self, terms: Terms) -> Result<(Key, Secret), AccessError> {
        self.thread.run(move |database| database.add(&terms, now())).await
    }

    /// Revokes the keys of this id or label; their tunnels are closed when it returns.
    pub(crate) async fn revoke(&self, which: String) -> Result<Vec<Key>, AccessError> {
        self.thread.run(move |database| database.revoke(&which, now())).await
    }

    /// Reserves `name` for `key`, unless it is another's.
    pub(crate) async fn claim(&self, name: Name, key: &Key) -> Result<Claimed, AccessError> {
        let key = key.id().to_owned();
        self.thread.run(move |database| database.claim(&name, &key, now())).await
    }

    /// Takes back what [`claim`](Self::claim) has just reserved.
    pub(crate) async fn unclaim(&self, name: Name, key: &Key) -> Result<(), AccessError> {
        let key = key.id().to_owned();
        self.thread.run(move |database| database.unclaim(&name, &key)).await
    }

    /// Writes what is there already, to the disk.
    pub(crate) async fn try_write(&self) -> Result<(), AccessError> {
        self.thread.run(|database| database.try_write()).await
    }

    /// All reserved names.
    pub(crate) async fn names(&self) -> Result<Vec<Reservation>, AccessError> {
        self.thread.run(|database| database.names()).await
    }

    /// Frees a name; `false`: it was nobody's.
    pub(crate) async fn release(&self, name: Name) -> Result<bool, AccessError> {
        self.thread.run(move |database| database.release(&name)).await
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
