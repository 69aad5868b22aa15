//! The file of a log. Each belongs to one process at a time, for as long as that holds the lock beside it: of two that
//! write to one file, one would rotate away what the other has just written.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use gantz_audit::{Audit, Keeper, Limits};

/// How many tunnels of one name can have a log in one folder at once.
pub const MAX_SHARED: usize = 64;

/// Keeps a log written and its file this process's own. Dropped or closed, it waits as [`Keeper`] does.
#[derive(Debug)]
#[must_use = "dropped, it closes the log"]
pub struct Kept {
    // Dropped in this order.
    keeper: Keeper,
    _lock: Option<File>,
    path: PathBuf,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be used.
    #[error("{0}")]
    File(io::Error),
    /// Another process writes to it.
    #[error("another gantz writes to it")]
    Taken,
    /// There is no room for another lock, or none may be made.
    #[error("{}: {source}", path.display())]
    Lock {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system has no thread left.
    #[error("{0}")]
    Thread(io::Error),
}

impl Kept {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the last lines, as [`Keeper::close`] does. Blocks.
    pub fn close(self) {
        self.keeper.close();
    }
}

/// Opens this file, made where it is missing, as [`Audit::open`] does.
///
/// # Errors
/// [`OpenError`]
pub fn open(path: &Path, limits: Limits) -> Result<(Audit, Kept), OpenError> {
    // First, so that nothing is made beside what is no file.
    let (audit, keeper) = Audit::open(path, limits).map_err(|error| match error {
        gantz_audit::OpenError::File { source, .. } => OpenError::File(source),
        gantz_audit::OpenError::Thread(source) => OpenError::Thread(source),
        other => OpenError::File(io::Error::other(other)),
    })?;
    let lock = lock(path)?;
    Ok((audit, Kept { keeper, _lock: lock, path: path.to_owned() }))
}

/// Opens `NAME.log` in the folder, or `NAME+2.log` and so on where other processes have those before.
///
/// # Errors
/// [`OpenError`]; [`OpenError::Taken`] when [`MAX_SHARED`] have one.
pub fn open_free(folder: &Path, name: &str, limits: Limits) -> Result<(Audit, Kept), OpenError> {
    let names = std::iter::once(format!("{name}.log")).chain((2..=MAX_SHARED).map(|n| format!("{name}+{n}.log")));
    for name in names {
        match open(&folder.join(name), limits) {
            Err(OpenError::Taken) => {}
            opened => return opened,
        }
    }
    Err(OpenError::Taken)
}

/// `None` where the disk has no room for a lock, or does not know any: the log's own care when it rotates remains.
fn lock(path: &Path) -> Result<Option<File>, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let file = match OpenOptions::new().append(true).create(true).mode(0o600).open(&path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            return Ok(None);
        }
        Err(source) => return Err(OpenError::Lock { path, source }),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Taken),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_has_one_writer_and_a_name_has_many_files() {
        let folder = tempfile::tempdir().unwrap();
        let calls = folder.path().join("calls");
        let limits = Limits::default();
        let (_, first) = open_free(&calls, "tools", limits).unwrap();
        let (_, second) = open_free(&calls, "tools", limits).unwrap();
        assert_eq!(first.path(), calls.join("tools.log"));
        assert_eq!(second.path(), calls.join("tools+2.log"));
        assert!(matches!(open(first.path(), limits), Err(OpenError::Taken)));
        first.close();
        let (_, third) = open_free(&calls, "tools", limits).unwrap();
        assert_eq!(third.path(), calls.join("tools.log"));
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&calls), mode(third.path())), (0o700, 0o600));
        drop(second);
    }

    #[test]
    fn what_is_no_file_gets_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("folder");
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(open(&path, Limits::default()), Err(OpenError::File(_))));
        assert!(!folder.path().join("folder.lock").exists());
    }
}
