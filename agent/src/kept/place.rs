//! Where a tunnel's file is. A tunnel is known, run after run, by its relay and its project.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use gantz_shared::token::Digest;

/// Longest readable part of a file's name, characters.
const MAX_READABLE: usize = 40;

/// Characters of the hash behind it, of six bits each.
const HASH_LEN: usize = 12;

/// What tells a tunnel from the user's others at a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Project {
    /// The name that is asked for.
    Named(String),
    /// The folder where `gantz` runs.
    Folder(PathBuf),
    /// The same, for a tunnel that is open to everybody: no flag opens the URL of a guarded one.
    OpenFolder(PathBuf),
}

impl Project {
    fn hashed(&self) -> (&'static str, Vec<u8>) {
        match self {
            // A name has no case.
            Self::Named(name) => ("name", name.to_ascii_lowercase().into_bytes()),
            Self::Folder(folder) => ("folder", folder.as_os_str().as_bytes().to_vec()),
            Self::OpenFolder(folder) => ("open folder", folder.as_os_str().as_bytes().to_vec()),
        }
    }

    fn readable(&self) -> String {
        let text = match self {
            Self::Named(name) => name.clone(),
            Self::Folder(folder) | Self::OpenFolder(folder) => {
                folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
            }
        };
        let plain = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
        let plain: String = plain.take(MAX_READABLE).collect();
        let plain = plain.trim_matches('-');
        if plain.is_empty() { "tunnel".to_owned() } else { plain.to_owned() }
    }
}

/// The place of a tunnel's file, in a folder of this user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    folder: PathBuf,
    key: String,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoPlace {
    /// The user has no home.
    #[error("the home folder is not known")]
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
}

impl Place {
    /// In `gantz/tunnels` of the user's state folder, which is made where it is missing, for its owner only. `relay` is
    /// what the user calls the relay.
    ///
    /// # Errors
    /// [`NoPlace`]
    pub fn of_user(relay: &str, project: &Project) -> Result<Self, NoPlace> {
        let strategy = etcetera::choose_base_strategy().map_err(|_| NoPlace::Homeless)?;
        let state = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
        Self::within(state.join("gantz").join("tunnels"), relay, project)
    }

    /// In this folder.
    ///
    /// # Errors
    /// [`NoPlace`]
    pub fn within(folder: PathBuf, relay: &str, project: &Project) -> Result<Self, NoPlace> {
        let failed = |source| NoPlace::Folder { path: folder.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        // Whoever may write to the folder may put a token of theirs there.
        let metadata = fs::metadata(&folder).map_err(failed)?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(NoPlace::Open(folder));
        }
        let (kind, what) = project.hashed();
        let text = [relay.to_ascii_lowercase().as_bytes(), b"\0", kind.as_bytes(), b"\0", &what].concat();
        let hash = String::from(Digest::of(&text));
        Ok(Self { folder, key: format!("{}-{}", project.readable(), &hash[..HASH_LEN]) })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.beside("json")
    }

    /// A file beside it.
    pub(super) fn beside(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tunnel_has_a_place_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let within = |relay: &str, project: Project| {
            Place::within(folder.path().join("tunnels"), relay, &project).unwrap().file()
        };
        let path = PathBuf::from("/home/ada/My project");
        let places = [
            within("relay.example.com:443", Project::Folder(path.clone())),
            within("relay.example.com:443", Project::OpenFolder(path.clone())),
            within("relay.example.com:443", Project::Named("my-project".into())),
            within("relay.example.com:443", Project::Folder("/home/ada/other/My project".into())),
            within("relay.example.com:444", Project::Folder(path.clone())),
            within("inside", Project::Folder(path.clone())),
        ];
        for (index, place) in places.iter().enumerate() {
            assert!(place.file_name().unwrap().to_str().unwrap().starts_with("my-project-"), "{place:?}");
            assert!(!places[..index].contains(place), "{place:?}");
        }
        assert_eq!(places[0], within("Relay.Example.com:443", Project::Folder(path)));
        assert_eq!(places[2], within("relay.example.com:443", Project::Named("My-Project".into())));
        assert_eq!(Project::Folder("/".into()).readable(), "tunnel");
    }

    #[test]
    fn a_folder_that_others_enter_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tunnels");
        let project = Project::Named("tools".into());
        Place::within(path.clone(), "relay", &project).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(Place::within(path, "relay", &project), Err(NoPlace::Open(_))));
    }
}
