//! The state folder: small secret files that outlive a restart.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rand::TryRng;
use rand::rngs::SysRng;

use crate::backup::STAGE;

/// What could not be done with the state folder.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}: {source}", path.display())]
pub struct StateError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// What could not be done with the file at `path`.
pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError { action, path, source }
}

/// Makes the folder, for its owner only.
pub(crate) fn create(dir: &Path) -> Result<(), StateError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(failed("cannot create the state folder", dir))
}

/// Refuses a folder in which a restore was interrupted: what is there may be half of what was to be.
pub(crate) fn is_whole(dir: &Path) -> Result<(), StateError> {
    if dir.join(STAGE).exists() {
        let interrupted = io::Error::other("a restore was interrupted; empty the folder, and restore again");
        return Err(failed("cannot use", dir)(interrupted));
    }
    Ok(())
}

/// What nobody else should know, of what is in the folder.
const SECRETS: &[&str] = &["ticket.key", "ticket.old.key", "reset.key", "ca.key", "admin.token", "access.db"];

/// The secrets in `dir` that other users of this machine can read. They are used all the same: some systems that give out
/// volumes set the permissions of all that is in them, and the folder that a relay makes lets nobody else in.
#[cfg(unix)]
pub(crate) fn readable_by_others(dir: &Path) -> Result<Vec<PathBuf>, StateError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| match fs::metadata(path) {
        Ok(found) => Ok(found.permissions().mode()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(failed("cannot look at", path)(error)),
    };
    if mode(dir)? & 0o011 == 0 {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let mut secrets: Vec<_> = SECRETS.iter().map(|name| dir.join(name)).collect();
    // Certificates stand there together with their keys.
    for folder in ["acme", "acme/names"].map(|folder| dir.join(folder)) {
        match fs::read_dir(&folder) {
            Ok(entries) => secrets.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("cannot look at", &folder)(error)),
        }
    }
    for path in secrets {
        if mode(&path)? & 0o044 != 0 {
            found.push(path);
        }
    }
    Ok(found)
}

/// Reads a file, `None` when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("cannot read", path)(error)),
    }
}

/// Writes a file whole or not at all; `mode` are its Unix permissions.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StateError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".new");
    let partial = PathBuf::from(partial);
    let result = (|| {
        // One that a crash left behind may have other permissions, and opening it would keep them.
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        let mut file = options.open(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    })();
    result.map_err(failed("cannot write", path))
}

/// The key in this file, if there is one.
pub(crate) fn read_key(path: &Path) -> Result<Option<[u8; 32]>, StateError> {
    let Some(kept) = read(path)? else { return Ok(None) };
    let wrong = |_| failed("cannot use", path)(io::Error::other("it is not 32 bytes long; remove it to get a new one"));
    kept.try_into().map(Some).map_err(wrong)
}

/// 32 random bytes, for what is called `name`.
pub(crate) fn random(name: &str) -> Result<[u8; 32], StateError> {
    let mut bytes = [0; 32];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| failed("no random bytes for", Path::new(name))(io::Error::other(error.to_string())))?;
    Ok(bytes)
}

/// The key of 32 bytes in `dir`, or a new one, which is kept there when there is a `dir`.
pub(crate) fn key(dir: Option<&Path>, name: &str) -> Result<[u8; 32], StateError> {
    let path = dir.map(|dir| dir.join(name));
    if let Some(path) = &path
        && let Some(bytes) = read_key(path)?
    {
        return Ok(bytes);
    }
    let bytes = random(name)?;
    if let Some(path) = &path {
        write(path, &bytes, 0o600)?;
    }
    Ok(bytes)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_others_can_read_is_found() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("state");
        create(&dir).unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let found = || readable_by_others(&dir).unwrap();
        key(Some(&dir), "ticket.key").unwrap();
        write(&dir.join("ca.pem"), b"for everybody", 0o644).unwrap();
        set(&dir, 0o755);
        assert_eq!(found(), [] as [PathBuf; 0]);
        for mode in [0o640, 0o604, 0o644] {
            set(&dir.join("ticket.key"), mode);
            assert_eq!(found(), [dir.join("ticket.key")], "{mode:o}");
        }
        set(&dir, 0o700);
        assert_eq!(found(), [] as [PathBuf; 0], "nobody else gets to it");
        assert_eq!(readable_by_others(&parent.path().join("none")).unwrap(), [] as [PathBuf; 0]);
    }
}
