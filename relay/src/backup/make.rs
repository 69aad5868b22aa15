//! A backup is made.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{BackupError, END, FORM, STAGE, failed};
use crate::access::{self, Database};

type Archive<'a> = tar::Builder<&'a mut dyn Write>;

/// Writes the backup of the state folder `dir` to `out`.
///
/// # Errors
/// A file that cannot be read, a database that is damaged, or `out`.
pub(crate) fn make(dir: &Path, out: &mut dyn Write) -> Result<(), BackupError> {
    let mut archive = Archive::new(out);
    let mut files = Vec::new();
    find(dir, Path::new(""), &mut files)?;
    if files.is_empty() {
        return Err(BackupError::Nothing(dir.to_owned()));
    }
    // The same folder makes the same backup.
    files.sort();
    for file in files {
        let path = dir.join(&file);
        let bytes = if file == Path::new(access::FILE) {
            Database::open(&path)?.snapshot()?
        } else {
            match fs::read(&path) {
                Ok(bytes) => bytes,
                // A relay that runs has done away with it in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed("cannot read", path)(error)),
            }
        };
        append(&mut archive, &file, &bytes).map_err(BackupError::Unwritten)?;
    }
    append(&mut archive, Path::new(END), format!("{FORM}\n").as_bytes()).map_err(BackupError::Unwritten)?;
    archive.into_inner().and_then(Write::flush).map_err(BackupError::Unwritten)
}

/// The files of `dir` within `within`, as paths from `dir`.
fn find(dir: &Path, within: &Path, files: &mut Vec<PathBuf>) -> Result<(), BackupError> {
    let folder = dir.join(within);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && within == Path::new("") => return Ok(()),
        entries => entries.map_err(failed("cannot read", &folder))?,
    };
    for entry in entries {
        let name = entry.map_err(failed("cannot read", &folder))?.file_name();
        let path = within.join(name);
        if is_left_out(&path) {
            continue;
        }
        // What a link leads to, not the link. What is gone was being written.
        let Ok(metadata) = fs::metadata(dir.join(&path)) else { continue };
        if metadata.is_dir() {
            find(dir, &path, files)?;
        } else if metadata.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// What is no part of a backup, by its path from the state folder.
fn is_left_out(path: &Path) -> bool {
    // Half a file, for a moment or from a crash.
    if path.extension().is_some_and(|extension| extension == "new") {
        return true;
    }
    let besides = ["access.db-wal", "access.db-shm", "access.db-journal", "audit", "lost+found", STAGE, END];
    besides.iter().any(|name| path == Path::new(name))
}

fn append(archive: &mut Archive<'_>, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o600);
    header.set_mtime(access::now());
    archive.append_data(&mut header, path, bytes)
}
