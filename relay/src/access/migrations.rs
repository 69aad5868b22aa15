//! The tables, and how a file of an earlier version gets them. What is written here stays as it is: a change is one step
//! more.

use rusqlite::{Connection, TransactionBehavior};

use super::AccessError;

/// Each brings the file from the form of its index to the next one (`PRAGMA user_version`).
const STEPS: &[&str] = &["
    CREATE TABLE keys (
        id         TEXT PRIMARY KEY,
        digest     TEXT NOT NULL UNIQUE, -- SHA-256, base64url
        label      TEXT NOT NULL,
        tunnels    INTEGER,
        names      TEXT,
        rate       TEXT,
        created_at INTEGER NOT NULL,     -- seconds since 1970, as the others
        expires_at INTEGER,
        revoked_at INTEGER
    ) STRICT;
    CREATE TABLE names (
        name       TEXT PRIMARY KEY,
        key        TEXT NOT NULL REFERENCES keys (id),
        claimed_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX names_of_key ON names (key);
"];

/// The form of a file that this version has written.
pub(super) const STEPS_OF_THIS_VERSION: usize = STEPS.len();

/// The form of the file.
///
/// # Errors
/// A later version has written it.
pub(super) fn form(connection: &Connection) -> Result<usize, AccessError> {
    let form: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    usize::try_from(form).ok().filter(|done| *done <= STEPS.len()).ok_or(AccessError::Newer(form))
}

/// Brings the file to the form of this version, in one step or not at all, whoever else does so at the same time.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), AccessError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = form(&transaction)?;
    if done == STEPS.len() {
        return Ok(());
    }
    for step in &STEPS[done..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", STEPS.len() as i64)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_migrated_once_and_one_of_a_newer_version_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(migrate(&mut connection), Err(AccessError::Newer(99))));
    }
}
