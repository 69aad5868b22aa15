//! The file: keys and names in SQLite. Blocks; a relay that runs calls it on the thread for it.

use std::path::Path;

use gantz_shared::control::Secret;
use gantz_shared::name::Name;
use gantz_shared::token::Digest;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, TransactionBehavior, params};

use super::migrations::{STEPS_OF_THIS_VERSION as STEPS, form, migrate};
use super::snapshot;
use super::{AccessError, BUSY, Key, MAX_KEYS, MAX_NAMES_PER_KEY, TRY_BUSY, Terms};

/// See the module's head.
pub(crate) struct Database {
    pub(super) connection: Connection,
    /// What [`Database::take_changed`] gives.
    changed: bool,
    /// What `PRAGMA data_version` said last.
    version: i64,
}

/// A name that is kept for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reservation {
    pub(crate) name: String,
    /// The id of its key.
    pub(crate) key: String,
    pub(crate) label: String,
    /// Seconds since 1970.
    pub(crate) claimed_at: u64,
}

/// How a claim to a name ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// It was free, and is the key's from now on.
    New,
    /// It was the key's already.
    Own,
    /// It is another key's.
    Others,
    /// It is free, and the key has [`MAX_NAMES_PER_KEY`] of them.
    TooMany,
}

impl Database {
    /// Opens the file, or makes it, for its owner only.
    pub(crate) fn open(path: &Path) -> Result<Self, AccessError> {
        snapshot::refuse_cut(path)?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        // SQLite gives the files beside it the permissions of this one.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        drop(options.open(path)?);
        Self::new(Connection::open(path)?)
    }

    /// Whether the file, where there is one, is of a form that this version knows, and its keys can be read. Nothing is
    /// made or changed: where nobody has it open, SQLite is told so, and leaves no file beside it.
    pub(crate) fn look(path: &Path) -> Result<(), AccessError> {
        let is_there = path.try_exists()?;
        if !is_there {
            return Ok(());
        }
        snapshot::refuse_cut(path)?;
        let mut beside = path.as_os_str().to_owned();
        beside.push("-shm");
        let is_open = Path::new(&beside).exists();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let path: String = path.to_string_lossy().chars().map(escaped).collect();
        let connection =
            Connection::open_with_flags(format!("file:{path}{}", if is_open { "" } else { "?immutable=1" }), flags)?;
        connection.busy_timeout(BUSY)?;
        let form = form(&connection)?;
        let database = Self { connection, changed: false, version: 0 };
        // A file of an earlier version gets its tables later.
        if form == STEPS { database.keys().map(drop) } else { Ok(()) }
    }

    pub(crate) fn in_memory() -> Result<Self, AccessError> {
        Self::new(Connection::open_in_memory()?)
    }

    fn new(mut connection: Connection) -> Result<Self, AccessError> {
        connection.busy_timeout(BUSY)?;
        // In memory it stays as it is.
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        // A key that was revoked must not come back with the power.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        migrate(&mut connection)?;
        let mut database = Self { connection, changed: false, version: 0 };
        database.version = database.data_version()?;
        Ok(database)
    }

    /// Whether keys have changed since this was asked last, here or by another process.
    pub(super) fn take_changed(&mut self) -> Result<bool, AccessError> {
        let version = self.data_version()?;
        let by_others = std::mem::replace(&mut self.version, version) != version;
        Ok(std::mem::take(&mut self.changed) || by_others)
    }

    /// As if they had changed.
    pub(super) fn set_changed(&mut self) {
        self.changed = true;
    }

    fn data_version(&self) -> Result<i64, AccessError> {
        Ok(self.connection.query_row("PRAGMA data_version", [], |row| row.get(0))?)
    }

    /// Writes the form that the file has, which changes nothing.
    pub(super) fn try_write(&self) -> Result<(), AccessError> {
        let form: i64 = self.connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        self.connection.busy_timeout(TRY_BUSY)?;
        let written = self.connection.pragma_update(None, "user_version", form);
        self.connection.busy_timeout(BUSY)?;
        Ok(written?)
    }

    /// Whether there has ever been a key.
    pub(crate) fn has_keys(&self) -> Result<bool, AccessError> {
        Ok(self.connection.query_row("SELECT EXISTS (SELECT 1 FROM keys)", [], |row| row.get(0))?)
    }

    /// All keys, oldest first.
    pub(crate) fn keys(&self) -> Result<Vec<Key>, AccessError> {
        let mut statement = self.connection.prepare(
            "SELECT id, digest, label, tunnels, names, rate, created_at, expires_at, revoked_at
             FROM keys ORDER BY created_at, rowid",
        )?;
        let mut rows = statement.query([])?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            keys.push(key(row)?);
        }
        Ok(keys)
    }

    /// Makes a key.
    pub(crate) fn add(&mut self, terms: &Terms, now: u64) -> Result<(Key, Secret), AccessError> {
        let (key, secret) = Key::generate(terms, now)?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let count: i64 = transaction.query_row("SELECT count(*) FROM keys", [], |row| row.get(0))?;
        if count >= MAX_KEYS as i64 {
            return Err(AccessError::TooManyKeys);
        }
        transaction.execute(
            "INSERT INTO keys (id, digest, label, tunnels, names, rate, created_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                key.id,
                String::from(key.digest),
                terms.label,
                terms.tunnels,
                terms.names.as_ref().map(ToString::to_string),
                terms.rate.map(|rate| rate.to_string()),
                signed(now),
                terms.expires_at.map(signed),
            ],
        )?;
        transaction.commit()?;
        self.changed = true;
        Ok((key, secret))
    }

    /// Revokes the keys of this id or label that are not revoked yet.
    pub(crate) fn revoke(&mut self, which: &str, now: u64) -> Result<Vec<Key>, AccessError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut keys = Vec::new();
        {
            let mut statement = transaction.prepare(
                "UPDATE keys SET revoked_at = ?2 WHERE (id = ?1 OR label = ?1) AND revoked_at IS NULL
                 RETURNING id, digest, label, tunnels, names, rate, created_at, expires_at, revoked_at",
            )?;
            let mut rows = statement.query(params![which, signed(now)])?;
            while let Some(row) = rows.next()? {
                keys.push(key(row)?);
            }
        }
        if keys.is_empty() {
            return Err(AccessError::UnknownKey(which.chars().take(super::MAX_LABEL).collect()));
        }
        transaction.commit()?;
        self.changed = true;
        Ok(keys)
    }

    /// Reserves `name` for the key of this id.
    pub(crate) fn claim(&mut self, name: &Name, key: &str, now: u64) -> Result<Claimed, AccessError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let holder: Option<String> = transaction
            .prepare("SELECT key FROM names WHERE name = ?1")?
            .query_row([name.as_str()], |row| row.get(0))
            .optional()?;
        if let Some(holder) = holder {
            return Ok(if holder == key { Claimed::Own } else { Claimed::Others });
        }
        let count: i64 =
            transaction.prepare("SELECT count(*) FROM names WHERE key = ?1")?.query_row([key], |row| row.get(0))?;
        if count >= MAX_NAMES_PER_KEY as i64 {
            return Ok(Claimed::TooMany);
        }
        transaction.execute(
            "INSERT INTO names (name, key, claimed_at) VALUES (?1, ?2, ?3)",
            params![name.as_str(), key, signed(now)],
        )?;
        transaction.commit()?;
        Ok(Claimed::New)
    }

    /// Takes a claim of this key back.
    pub(crate) fn unclaim(&mut self, name: &Name, key: &str) -> Result<(), AccessError> {
        self.connection.execute("DELETE FROM names WHERE name = ?1 AND key = ?2", params![name.as_str(), key])?;
        Ok(())
    }

    /// Frees a name, whoever's it is; `false`: it was nobody's.
    pub(crate) fn release(&mut self, name: &Name) -> Result<bool, AccessError> {
        Ok(self.connection.execute("DELETE FROM names WHERE name = ?1", [name.as_str()])? > 0)
    }

    /// All reserved names, in their order.
    pub(crate) fn names(&self) -> Result<Vec<Reservation>, AccessError> {
        let mut statement = self
            .connection
            .prepare("SELECT name, key, label, claimed_at FROM names JOIN keys ON keys.id = names.key ORDER BY name")?;
        let rows = statement.query_map([], |row| {
            let claimed_at: i64 = row.get(3)?;
            Ok(Reservation {
                name: row.get(0)?,
                key: row.get(1)?,
                label: row.get(2)?,
                claimed_at: u64::try_from(claimed_at).unwrap_or(0),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// SQLite has no unsigned integers; no clock gets that far.
fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// As a path is written in a URI.
fn escaped(character: char) -> String {
    match character {
        '%' => "%25".into(),
        '?' => "%3f".into(),
        '#' => "%23".into(),
        other => other.into(),
    }
}

fn key(row: &Row<'_>) -> Result<Key, AccessError> {
    let id: String = row.get(0)?;
    let damaged = |what: &str| AccessError::Damaged(format!("the {what} of the access key {id}"));
    let digest = Digest::try_from(row.get::<_, String>(1)?).map_err(|_| damaged("digest"))?;
    let names = row.get::<_, Option<String>>(4)?.map(|globs| globs.parse()).transpose();
    let rate = row.get::<_, Option<String>>(5)?.map(|rate| rate.parse()).transpose();
    let time = |index: usize| -> Result<Option<u64>, AccessError> {
        let seconds: Option<i64> = row.get(index)?;
        seconds.map(|seconds| u64::try_from(seconds).map_err(|_| damaged("time"))).transpose()
    };
    let terms = Terms {
        label: row.get(2)?,
        tunnels: row.get(3)?,
        names: names.map_err(|_| damaged("globs"))?,
        rate: rate.map_err(|_| damaged("rate"))?,
        expires_at: time(7)?,
    };
    let (created_at, revoked_at) = (time(6)?.unwrap_or(0), time(8)?);
    Ok(Key { digest, terms, created_at, revoked_at, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(label: &str) -> Terms {
        Terms { label: label.into(), ..Terms::default() }
    }

    fn name(name: &str) -> Name {
        Name::parse(name).unwrap()
    }

    #[test]
    fn what_is_said_of_a_key_is_kept_and_its_secret_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.db");
        let said = Terms {
            tunnels: Some(5),
            names: Some("alice-*,bob".parse().unwrap()),
            rate: Some("100/min:20".parse().unwrap()),
            expires_at: Some(4_000_000_000),
            ..terms("alice")
        };
        let mut database = Database::open(&path).unwrap();
        assert!(!database.has_keys().unwrap());
        let (made, secret) = database.add(&said, 7).unwrap();
        assert!(database.has_keys().unwrap());
        let other = Database::open(&path).unwrap();
        let kept = other.keys().unwrap().remove(0);
        assert_eq!((kept.id(), kept.created_at(), kept.revoked_at()), (made.id(), 7, None));
        assert_eq!((&*kept.terms.label, kept.terms.tunnels), ("alice", Some(5)));
        assert_eq!(kept.terms.names.as_ref().unwrap().to_string(), "alice-*,bob");
        assert_eq!((kept.terms.rate, kept.terms.expires_at), (said.rate, said.expires_at));
        assert!(bool::from(kept.digest.ct_eq(&Digest::of(secret.reveal().as_bytes()))));
        let mode = "wal".to_owned();
        assert_eq!(other.connection.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0)), Ok(mode));
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            let bytes = std::fs::read(file.path()).unwrap();
            let secret = &secret.reveal().as_bytes()[4..];
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{:?}", file.path());
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
            }
        }
    }

    #[test]
    fn others_changes_are_seen_and_ones_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.db");
        let (mut one, mut other) = (Database::open(&path).unwrap(), Database::open(&path).unwrap());
        assert!(!one.take_changed().unwrap());
        let (key, _) = other.add(&terms("alice"), 7).unwrap();
        assert!(one.take_changed().unwrap());
        assert!(!one.take_changed().unwrap());
        assert_eq!(one.revoke("alice", 8).unwrap()[0].id(), key.id());
        assert!(one.take_changed().unwrap());
        assert!(matches!(one.revoke(key.id(), 9), Err(AccessError::UnknownKey(_))));
        assert_eq!(other.keys().unwrap()[0].revoked_at(), Some(8));
    }

    #[test]
    fn a_name_is_whose_it_was_first_until_it_is_released() {
        let mut database = Database::in_memory().unwrap();
        let [alice, bob] = ["alice", "bob"].map(|label| database.add(&terms(label), 7).unwrap().0.id);
        assert_eq!(database.claim(&name("tools"), &alice, 8).unwrap(), Claimed::New);
        assert_eq!(database.claim(&name("tools"), &alice, 9).unwrap(), Claimed::Own);
        assert_eq!(database.claim(&name("tools"), &bob, 9).unwrap(), Claimed::Others);
        database.unclaim(&name("tools"), &bob).unwrap();
        let kept = Reservation { name: "tools".into(), key: alice.clone(), label: "alice".into(), claimed_at: 8 };
        assert_eq!(database.names().unwrap(), [kept]);
        // It is not the next one's because its key was revoked.
        database.revoke(&alice, 10).unwrap();
        assert_eq!(database.claim(&name("tools"), &bob, 11).unwrap(), Claimed::Others);
        assert!(database.release(&name("tools")).unwrap());
        assert!(!database.release(&name("tools")).unwrap());
        assert_eq!(database.claim(&name("tools"), &bob, 12).unwrap(), Claimed::New);
        for number in 1..MAX_NAMES_PER_KEY {
            assert_eq!(database.claim(&name(&format!("tools-{number}")), &bob, 13).unwrap(), Claimed::New);
        }
        assert_eq!(database.claim(&name("one-more"), &bob, 14).unwrap(), Claimed::TooMany);
        assert_eq!(database.claim(&name("tools"), &bob, 14).unwrap(), Claimed::Own);
    }
}
