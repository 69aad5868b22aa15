//! Whose a tunnel is: its process holds a lock for as long as it runs. What a crash has left is no lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Place;

/// Bytes of a lock's file that are read: a process number has fewer.
const MAX_PID: u64 = 16;

/// Held until it is dropped.
#[derive(Debug)]
#[must_use = "dropped, it is another's"]
pub struct Lock(#[expect(dead_code, reason = "the system holds the lock for as long as the file is open")] File);

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoLock {
    /// Another process runs this tunnel: this one, if it says so.
    #[error("another gantz runs this tunnel")]
    Taken(Option<u32>),
    /// There is no room for one, or none may be made, or the disk does not know any.
    #[error("{0}")]
    System(io::Error),
}

impl Place {
    /// Takes the tunnel for this process.
    ///
    /// # Errors
    /// [`NoLock`]
    pub fn lock(&self) -> Result<Lock, NoLock> {
        let mut file = open(&self.beside("lock")).map_err(NoLock::System)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // What cannot be read has no number in it.
                let read = (&file).take(MAX_PID).read_to_string(&mut text);
                return Err(NoLock::Taken(read.ok().and_then(|_| text.trim().parse().ok())));
            }
            Err(TryLockError::Error(error)) => return Err(NoLock::System(error)),
        }
        // The lock is held without it too; only its holder's number is then not known.
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = written {
            tracing::debug!(%error, "process number not written down");
        }
        Ok(Lock(file))
    }
}

/// For reading only where nothing can be written: what is there can be locked all the same.
fn open(path: &Path) -> io::Result<File> {
    let opened = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
    match opened {
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            File::open(path).map_err(|_| error)
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept::Project;

    #[test]
    fn a_tunnel_has_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let project = Project::Named(name.into());
            Place::within(folder.path().join("tunnels"), "relay", &project).unwrap()
        };
        let lock = place("tools").lock().unwrap();
        let _other = place("other").lock().unwrap();
        for _ in 0..2 {
            let Err(NoLock::Taken(pid)) = place("tools").lock() else { panic!("locked twice") };
            assert_eq!(pid, Some(std::process::id()));
        }
        drop(lock);
        let _again = place("tools").lock().unwrap();
    }
}
