//! A backup is made.

use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{BackupError, END, FORM, MAX_FILE, STAGE, failed};
use crate::access::{self, Database};

type Archive<'a> = tar::Builder<&'a mut dyn Write>;

/// Writes the backup of the state folder `dir` to `out`, which ends up in the file `target`, where it is one.
///
/// # Errors
/// A file that cannot be read or that [`restore`](super::restore()) would not take, `target` among what is read, a
/// database that is damaged, or `out`.
pub(crate) fn make(dir: &Path, out: &mut dyn Write, target: Option<&Metadata>) -> Result<(), BackupError> {
    let mut files = Vec::new();
    Search { dir, target }.find(Path::new(""), &mut files)?;
    if files.is_empty() {
        return Err(BackupError::Nothing(dir.to_owned()));
    }
    // The same folder makes the same backup.
    files.sort();
    // Not before: it ends what it has begun, even when nothing was put into it.
    let mut archive = Archive::new(out);
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

/// Looks for what a backup is made of.
struct Search<'a> {
    dir: &'a Path,
    target: Option<&'a Metadata>,
}

impl Search<'_> {
    /// The files of the folder within `within`, as paths from the folder.
    fn find(&self, within: &Path, files: &mut Vec<PathBuf>) -> Result<(), BackupError> {
        let folder = self.dir.join(within);
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
            let whole = self.dir.join(&path);
            // What a link leads to, not the link. What is gone was being written; a link that leads nowhere is still there.
            let metadata = match fs::metadata(&whole) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(&whole).is_err() => {
                    continue;
                }
                found => found.map_err(failed("cannot read", &whole))?,
            };
            if metadata.is_dir() {
                self.find(&path, files)?;
            } else if metadata.is_file() {
                if self.target.is_some_and(|target| is_same(target, &metadata)) {
                    return Err(BackupError::IntoItself(self.dir.join(path)));
                }
                if metadata.len() > MAX_FILE {
                    return Err(BackupError::TooLarge(self.dir.join(path)));
                }
                files.push(path);
            }
        }
        Ok(())
    }
}

/// Whether both are of one file, by whatever name.
#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    false
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
