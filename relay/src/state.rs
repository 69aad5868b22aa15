//! The state folder: small secret files that outlive a restart.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rand::TryRng;
use rand::rngs::SysRng;

/// What could not be done with the state folder.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}: {source}", path.display())]
pub struct StateError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
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
