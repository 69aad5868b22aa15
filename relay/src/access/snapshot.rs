//! The database as a whole: whether it is one, and a copy of one moment.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rusqlite::MAIN_DB;

use super::{AccessError, Database};

/// What SQLite writes at first goes here, and what it was told since is here until it is in the file.
const BESIDE: &str = "-wal";

/// Bytes of a file that has the size of its pages in it, and where that stands: two bytes, of which 1 is 65,536
/// (<https://www.sqlite.org/fileformat.html>, §1.3).
const HEADER: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
const PAGE_SIZE: usize = 16;

/// SQLite takes an empty file for a database without tables, and what is missing of the last page for zeros; where there
/// were keys, it is what is left of them.
pub(super) fn refuse_cut(path: &Path) -> Result<(), AccessError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(BESIDE);
    let mut file = match File::open(path) {
        Ok(file) if !Path::new(&beside).exists() => file,
        // SQLite says what there is to say.
        _ => return Ok(()),
    };
    let length = file.metadata()?.len();
    if length == 0 {
        return Err(AccessError::Damaged("it is empty".into()));
    }
    let mut header = [0; HEADER];
    if file.read_exact(&mut header).is_err() || !header.starts_with(MAGIC) {
        return Ok(());
    }
    let page_size = match u16::from_be_bytes([header[PAGE_SIZE], header[PAGE_SIZE + 1]]) {
        1 => 1 << 16,
        size => u64::from(size),
    };
    if page_size > 0 && length % page_size != 0 {
        return Err(AccessError::Damaged("its end is missing".into()));
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
