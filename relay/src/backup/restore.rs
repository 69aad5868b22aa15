//! A backup is restored.

use std::io::{self, Read};
use std::path::{Component, Path};
use std::{fs, str};

use super::{BackupError, END, FORM, MAX_FILE, STAGE, failed};
use crate::access::{self, Database};
use crate::state;

/// Restores the backup that `from` gives into the state folder `dir`, which is made where there is none.
///
/// # Errors
/// A folder with something in it, a backup that is none or not whole, a database that is damaged or a newer version's. The
/// folder is then as it was.
pub(crate) fn restore(dir: &Path, from: &mut dyn Read) -> Result<(), BackupError> {
    state::create(dir)?;
    let stage = dir.join(STAGE);
    // Of a try that was killed.
    remove(&stage)?;
    for entry in fs::read_dir(dir).map_err(failed("cannot read", dir))? {
        let name = entry.map_err(failed("cannot read", dir))?.file_name();
        // A file system of its own begins with it.
        if name != "lost+found" {
            return Err(BackupError::Occupied(dir.to_owned()));
        }
    }
    let restored = unpack(&stage, from).and_then(|()| try_out(&stage)).and_then(|()| publish(&stage, dir));
    // The stage is there until all is in its place and on the disk: a relay does not start beside it.
    let restored = restored.and_then(|()| settle(dir));
    let removed = remove(&stage);
    restored.and(removed)
}

/// The names of what was moved are on the disk.
fn settle(dir: &Path) -> Result<(), BackupError> {
    #[cfg(unix)]
    fs::File::open(dir).and_then(|folder| folder.sync_all()).map_err(failed("cannot sync", dir))?;
    Ok(())
}

fn remove(stage: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(stage) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("cannot remove", stage)(error)),
        _ => Ok(()),
    }
}

fn unpack(stage: &Path, from: &mut dyn Read) -> Result<(), BackupError> {
    state::create(stage)?;
    let mut archive = tar::Archive::new(from);
    let mut is_begun = false;
    for entry in archive.entries().map_err(|_| stranger())? {
        // What is no tar file is said so in its first entry.
        let broken = |_| if is_begun { BackupError::CutOff } else { stranger() };
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        let is_plain = path.components().all(|component| matches!(component, Component::Normal(_)));
        if !entry.header().entry_type().is_file() || !is_plain || entry.size() > MAX_FILE {
            return Err(BackupError::Stranger(format!("it has {} in it", path.display())));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|_| BackupError::CutOff)?;
        if path == Path::new(END) {
            let form = str::from_utf8(&bytes).ok().and_then(|form| form.trim_end().parse().ok());
            return match form {
                Some(FORM) => Ok(()),
                Some(form) => Err(BackupError::Newer(form)),
                None => Err(BackupError::Stranger("its form is missing".into())),
            };
        }
        is_begun = true;
        let path = stage.join(path);
        if let Some(folder) = path.parent() {
            state::create(folder)?;
        }
        state::write(&path, &bytes, 0o600)?;
    }
    Err(if is_begun { BackupError::CutOff } else { BackupError::Stranger("it is empty".into()) })
}

/// What tar says of it may repeat what it has read, and a file that was named by mistake may be a secret.
fn stranger() -> BackupError {
    BackupError::Stranger("it does not begin as one".into())
}

/// Whether this version can serve with it.
fn try_out(stage: &Path) -> Result<(), BackupError> {
    let path = stage.join(access::FILE);
    if path.exists() {
        Database::open(&path)?.check()?;
    }
    Ok(())
}

fn publish(stage: &Path, dir: &Path) -> Result<(), BackupError> {
    for entry in fs::read_dir(stage).map_err(failed("cannot read", stage))? {
        let entry = entry.map_err(failed("cannot read", stage))?;
        fs::rename(entry.path(), dir.join(entry.file_name())).map_err(failed("cannot move", entry.path()))?;
    }
    Ok(())
}
