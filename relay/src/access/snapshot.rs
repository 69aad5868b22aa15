//! The database as a whole: whether it is one, and a copy of one moment.

use std::path::Path;

use rusqlite::MAIN_DB;

use super::{AccessError, Database};

/// What SQLite writes at first goes here, and what it was told since is here until it is in the file.
const BESIDE: &str = "-wal";

/// SQLite takes an empty file for a database without tables; where there were keys, it is what is left of them.
pub(super) fn refuse_emptied(path: &Path) -> Result<(), AccessError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(BESIDE);
    let is_empty = std::fs::metadata(path).is_ok_and(|file| file.len() == 0);
    if is_empty && !Path::new(&beside).exists() {
        return Err(AccessError::Damaged("it is empty".into()));
    }
    Ok(())
}

impl Database {
    /// Reads all of it: pages that are missing or do not fit together are found now, not when they are needed.
    pub(crate) fn check(&self) -> Result<(), AccessError> {
        let found: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if found == "ok" { Ok(()) } else { Err(AccessError::Damaged(found)) }
    }

    /// The file as it would be if nobody else had it open, of one moment, whatever others write meanwhile.
    pub(crate) fn snapshot(&mut self) -> Result<Vec<u8>, AccessError> {
        self.check()?;
        Ok(self.connection.serialize(MAIN_DB)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Terms, now};

    #[test]
    fn a_snapshot_has_what_is_beside_the_file_and_nothing_that_came_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.db");
        let mut database = Database::open(&path).unwrap();
        let terms = |label: &str| Terms { label: label.into(), ..Terms::default() };
        database.add(&terms("before"), now()).unwrap();
        let copy = Database::open(&path).unwrap().snapshot().unwrap();
        database.add(&terms("after"), now()).unwrap();
        let restored = folder.path().join("restored.db");
        std::fs::write(&restored, &copy).unwrap();
        let restored = Database::open(&restored).unwrap();
        restored.check().unwrap();
        let labels: Vec<_> = restored.keys().unwrap().into_iter().map(|key| key.terms().label.clone()).collect();
        assert_eq!(labels, ["before"]);
        assert_eq!(database.keys().unwrap().len(), 2);
    }
}
