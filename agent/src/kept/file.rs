//! Reading and writing a tunnel's file. What cannot be used is set aside, never deleted: it may be another version's, or
//! tell its owner who has had a hand in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use super::{Kept, Place};

/// Largest file that is read, bytes: more than as many tokens as there may be, with as many globs as they may have, take.
pub const MAX_FILE: u64 = 4 << 20;

/// Why what was kept is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// A folder, a link, a device.
    #[error("it is no file")]
    NotAFile,
    /// Others could have read or changed it.
    #[error("others may read it")]
    Open,
    /// The file is not the folder's owner's.
    #[error("it belongs to another user")]
    Foreign,
    /// Over [`MAX_FILE`].
    #[error("it is larger than any that gantz writes")]
    TooLarge,
    /// Another version has written it.
    #[error("another version of gantz has written it (form {0})")]
    Version(u32),
    /// It is not what was written.
    #[error("it is damaged")]
    Damaged,
    /// What the system says.
    #[error("{0}")]
    System(#[from] io::Error),
}

impl Place {
    /// What the last run has left; `None`: nothing. The path is that of a file that cannot be used.
    ///
    /// # Errors
    /// [`Unusable`]
    pub fn read(&self) -> Result<Option<Kept>, Unusable> {
        let path = self.file();
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
            Ok(metadata) if !metadata.is_file() => return Err(Unusable::NotAFile),
            Ok(_) => {}
        }
        let file = File::open(&path)?;
        let metadata = file.metadata()?;
        if metadata.uid() != fs::metadata(self.folder())?.uid() {
            return Err(Unusable::Foreign);
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(Unusable::Open);
        }
        if metadata.len() > MAX_FILE {
            return Err(Unusable::TooLarge);
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes)?;
        Kept::from_bytes(&bytes).map(Some)
    }

    /// Moves the file out of the way, over the one that was before; gives where to.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_aside(&self) -> io::Result<PathBuf> {
        let aside = self.beside("json.unused");
        fs::rename(self.file(), &aside)?;
        Ok(aside)
    }

    /// Writes the file whole or not at all. Blocks.
    pub(super) fn write(&self, kept: &Kept) -> io::Result<()> {
        let partial = self.beside("json.new");
        // One that a crash left behind may have other permissions, and opening it would keep them.
        remove(&partial)?;
        let bytes = kept.to_bytes()?;
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&partial, self.file())
        })();
        if written.is_err()
            && let Err(error) = remove(&partial)
        {
            tracing::debug!(%error, "half a file is left");
        }
        written
    }

    /// Removes the file. Blocks.
    pub(super) fn forget(&self) -> io::Result<()> {
        remove(&self.file())
    }
}

fn remove(path: &PathBuf) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept::{Project, tests::kept};

    fn place(folder: &tempfile::TempDir) -> Place {
        Place::within(folder.path().join("tunnels"), "relay", &Project::Named("tools".into())).unwrap()
    }

    #[test]
    fn a_file_is_for_its_owner_and_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        assert!(place.read().unwrap().is_none());
        fs::write(place.beside("json.new"), "of a crash").unwrap();
        for _ in 0..2 {
            place.write(&kept()).unwrap();
            assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(place.read().unwrap().is_some());
        assert_eq!(fs::read_dir(place.folder()).unwrap().count(), 1);
        place.forget().unwrap();
        assert!(place.read().unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_trusted_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        place.write(&kept()).unwrap();
        fs::set_permissions(place.file(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(place.read(), Err(Unusable::Open)));
        let aside = place.set_aside().unwrap();
        assert!(place.read().unwrap().is_none());
        std::os::unix::fs::symlink(&aside, place.file()).unwrap();
        assert!(matches!(place.read(), Err(Unusable::NotAFile)));
        place.set_aside().unwrap();
        fs::create_dir(place.file()).unwrap();
        assert!(matches!(place.read(), Err(Unusable::NotAFile)));
    }
}
