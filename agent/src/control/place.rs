//! Where the sockets are: a folder of this user's own, a socket a process.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;

use etcetera::BaseStrategy;

/// The folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(PathBuf);

/// Why there is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoPlace {
    /// The user has no home.
    #[error("the home folder is not known; XDG_RUNTIME_DIR or HOME says where it is")]
    Homeless,
    /// The folder cannot be made.
    #[error("{}: {source}", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others may look into the folder.
    #[error("{} is open to others; chmod 700 closes it", .0.display())]
    Open(PathBuf),
    /// The folder is another user's, who could put sockets of their own there.
    #[error("{} belongs to another user; XDG_RUNTIME_DIR has to be a folder of this user's own", .0.display())]
    Foreign(PathBuf),
}

impl Place {
    /// `gantz` in `XDG_RUNTIME_DIR`, or else `gantz/run` in the user's state folder; made where it is missing, for its
    /// owner only.
    ///
    /// # Errors
    /// [`NoPlace`]
    pub fn of_user() -> Result<Self, NoPlace> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = match runtime {
            Some(runtime) => runtime.join("gantz"),
            None => {
                let strategy = etcetera::choose_base_strategy().map_err(|_| NoPlace::Homeless)?;
                strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("gantz").join("run")
            }
        };
        Self::at(folder)
    }

    /// This folder.
    ///
    /// # Errors
    /// [`NoPlace`]
    pub fn at(folder: PathBuf) -> Result<Self, NoPlace> {
        let failed = |source| NoPlace::Folder { path: folder.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        // Whoever may enter the folder may try the sockets.
        let metadata = fs::metadata(&folder).map_err(failed)?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(NoPlace::Open(folder));
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(NoPlace::Foreign(folder));
        }
        Ok(Self(folder))
    }

    /// The socket of a process.
    pub(super) fn socket(&self, pid: u32) -> PathBuf {
        self.0.join(format!("{pid}.sock"))
    }

    /// All sockets, also those that a crash has left.
    pub(super) fn sockets(&self) -> io::Result<Vec<PathBuf>> {
        let mut sockets = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "sock") {
                sockets.push(path);
            }
        }
        sockets.sort();
        Ok(sockets)
    }

    /// Whom the folder belongs to.
    pub(super) fn owner(&self) -> io::Result<u32> {
        Ok(fs::metadata(&self.0)?.uid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_another_user_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        assert!(Place::at(own.clone()).is_ok());
        // Root can give a folder away; to anybody else root's own is another user's.
        let foreign = if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&own, Some(65_534), None).unwrap();
            own
        } else {
            "/root".into()
        };
        assert!(matches!(Place::at(foreign), Err(NoPlace::Foreign(_))));
    }
}
