//! A file that lines are appended to, rotated by size: `audit.log`, then `audit.log.1` (the youngest) to `audit.log.N`.
//!
//! Written here because the libraries for it do not do it right: file-rotate 0.8 panics where a folder cannot be made or
//! a file has vanished, splits lines at the limit, and drops what it is given, saying that it was written, where the file
//! cannot be opened again; tracing-appender 0.2 rotates by time only.
//!
//! What always holds: every write starts at the start of a line, or goes on in the line that the last one left unfinished
//! in the same file. Each write looks at the path first, so that a file that was moved or deleted, or that another
//! process rotated, is noticed.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::limits::Limits;
use crate::rotate::rotate;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct RotatedFile {
    path: PathBuf,
    limits: Limits,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    identity: (u64, u64),
    size: u64,
    /// How much of the line that is next is in the file already.
    begun: usize,
    /// Whether the file ends in half a line, of which the rest is lost: there was a crash.
    torn: bool,
}

impl RotatedFile {
    pub(crate) fn new(path: PathBuf, limits: Limits) -> Self {
        Self { path, limits, open: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes sure that there is a file to write to.
    ///
    /// # Errors
    /// It cannot be opened for appending, or is no regular file.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        self.look().map(|_| ())
    }

    /// Appends `lines`, and removes from them what was written. What is left begins with a whole line.
    ///
    /// # Errors
    /// Whatever the system says. Calling it again goes on where it stopped.
    pub(crate) fn append(&mut self, lines: &mut Vec<u8>) -> io::Result<()> {
        let mut done = 0;
        let result = self.append_from(lines, &mut done);
        lines.drain(..done);
        result
    }

    fn append_from(&mut self, lines: &[u8], done: &mut usize) -> io::Result<()> {
        while *done < lines.len() {
            let rest = &lines[*done..];
            let file_size = self.limits.file_size;
            let open = self.look()?;
            let room = file_size.saturating_sub(open.size).saturating_add(open.begun as u64);
            let mut length = whole_lines(rest, room);
            if length == 0 {
                // A line that has begun ends in its file, and one that is too long for any file has one to itself.
                if open.begun == 0 && open.size > 0 && self.make_room()? {
                    continue;
                }
                length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
            }
            *done += self.look()?.write(&rest[..length])?;
        }
        Ok(())
    }

    /// Waits until what was written is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.open.as_ref().map_or(Ok(()), |open| open.file.sync_data())
    }

    /// The file that is at the path now, made if need be.
    fn look(&mut self) -> io::Result<&mut Open> {
        let there = match fs::metadata(&self.path) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // Opening a pipe could wait for ever.
        if there.as_ref().is_some_and(|there| !there.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let open = match (self.open.take(), there) {
            (Some(open), Some(there)) if open.identity == identity(&there) => Open { size: there.size(), ..open },
            _ => Open::new(&self.path)?,
        };
        Ok(self.open.insert(open))
    }

    /// Rotates. `false` when another process does so at this moment: then the file may be written to a little longer.
    fn make_room(&mut self) -> io::Result<bool> {
        let Some(open) = &self.open else { return Ok(true) };
        match open.file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(false),
            // Where nobody can lock, there is nobody to wait for.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        // Somebody may have rotated since the last look; the new file is not to follow the old one.
        let is_current = fs::metadata(&self.path).is_ok_and(|there| identity(&there) == open.identity);
        let rotated = if is_current { rotate(&self.path, self.limits.kept_files) } else { Ok(()) };
        // Closed with its lock, whatever came of it.
        self.open = None;
        rotated.map(|()| true)
    }
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let found = file.metadata()?;
        if found.mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        let mut last = *b"\n";
        if found.size() > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(Self { file, identity: identity(&found), size: found.size(), begun: 0, torn: last != *b"\n" })
    }

    /// Writes what the system takes of `lines`. How many bytes of whole lines are in the file now.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        match self.file.write(&lines[self.begun..]) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                let reached = self.begun + written;
                let whole = whole_lines(&lines[..reached], u64::MAX);
                self.begun = reached - whole;
                Ok(whole)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// Device and inode: the same file, whatever it is called.
fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// How many of the first `room` bytes are whole lines.
fn whole_lines(lines: &[u8], room: u64) -> usize {
    let room = usize::try_from(room).map_or(lines.len(), |room| room.min(lines.len()));
    lines[..room].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { file_size: 20, kept_files: 3, pending: 0 };

    #[test]
    fn a_line_that_has_begun_ends_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        fs::write(&path, "{\"event").unwrap();
        let mut file = RotatedFile::new(path.clone(), LIMITS);
        let open = file.look().unwrap();
        (open.begun, open.torn) = (7, false);
        let mut lines = b"{\"event\":\"longer than a file\"}\n{}\n".to_vec();
        file.append(&mut lines).unwrap();
        assert!(lines.is_empty());
        assert_eq!(fs::read(path.with_extension("log.1")).unwrap(), b"{\"event\":\"longer than a file\"}\n");
        assert_eq!(fs::read(&path).unwrap(), b"{}\n");
        assert!(!path.with_extension("log.2").exists(), "half a line has a file");
    }

    #[test]
    fn what_another_process_rotated_is_not_rotated_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let [mut one, mut other] = [(); 2].map(|()| RotatedFile::new(path.clone(), LIMITS));
        one.append(&mut b"{\"event\":\"first\"}\n".to_vec()).unwrap();
        other.open().unwrap();
        one.append(&mut b"{\"event\":\"second\"}\n".to_vec()).unwrap();
        // As if its look had been before that.
        assert!(other.make_room().unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"{\"event\":\"second\"}\n");
        assert!(!path.with_extension("log.2").exists());
    }

    #[test]
    fn while_another_process_rotates_lines_go_where_they_went() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let mut file = RotatedFile::new(path.clone(), LIMITS);
        file.append(&mut b"{\"event\":\"first\"}\n".to_vec()).unwrap();
        let other = File::open(&path).unwrap();
        other.lock().unwrap();
        file.append(&mut b"{\"event\":\"second\"}\n".to_vec()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{\"event\":\"first\"}\n{\"event\":\"second\"}\n");
    }
}
