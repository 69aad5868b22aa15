//! Reading and writing the file. What others could have read or changed is not used.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::{Profiles, VERSION};

/// The file's name.
const FILE: &str = "relays.json";

/// Largest file that is read, bytes: thousands of relays.
const MAX_FILE: u64 = 1 << 20;

/// Why the file is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// The user has no home.
    #[error("the home folder is not known")]
    Homeless,
    /// Others could have read or changed it.
    #[error("others may read it, and it holds access keys; chmod 600 closes it, and the keys are to be changed")]
    Open,
    /// A folder, a link, a device, or larger than any that is written.
    #[error("it is no file that gantz has written")]
    Foreign,
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

/// Where the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(PathBuf);

impl Place {
    /// In the configuration folder of this user.
    ///
    /// # Errors
    /// [`Unusable::Homeless`]
    pub fn of_user() -> Result<Self, Unusable> {
        let strategy = etcetera::choose_base_strategy().map_err(|_| Unusable::Homeless)?;
        Ok(Self::within(&strategy.config_dir().join("gantz")))
    }

    /// In this folder.
    #[must_use]
    pub fn within(folder: &Path) -> Self {
        Self(folder.join(FILE))
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.0
    }

    /// What is in it; nothing where there is none.
    ///
    /// # Errors
    /// [`Unusable`]
    pub fn read(&self) -> Result<Profiles, Unusable> {
        let metadata = match fs::symlink_metadata(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Profiles::default()),
            metadata => metadata?,
        };
        if !metadata.is_file() || metadata.len() > MAX_FILE {
            return Err(Unusable::Foreign);
        }
        let file = File::open(&self.0)?;
        let metadata = file.metadata()?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(Unusable::Open);
        }
        let folder = self.0.parent().map_or_else(|| Ok(metadata.uid()), |folder| Ok(fs::metadata(folder)?.uid()));
        if folder.map_err(|error: io::Error| Unusable::System(error))? != metadata.uid() {
            return Err(Unusable::Foreign);
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes)?;
        parse(&bytes)
    }

    /// Writes the file whole or not at all, for its owner only.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, profiles: &Profiles) -> io::Result<()> {
        if let Some(folder) = self.0.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let partial = self.0.with_extension("json.new");
        // One that a crash left behind may have other permissions, and opening it would keep them.
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let bytes = serde_json::to_vec_pretty(profiles)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&partial, &self.0)
    }
}

fn parse(bytes: &[u8]) -> Result<Profiles, Unusable> {
    #[derive(serde::Deserialize)]
    struct Form {
        version: u32,
    }
    // The words of the parser could repeat a key.
    let form: Form = serde_json::from_slice(bytes).map_err(|_| Unusable::Damaged)?;
    if form.version != VERSION {
        return Err(Unusable::Version(form.version));
    }
    serde_json::from_slice(bytes).map_err(|_| Unusable::Damaged)
}

#[cfg(test)]
mod tests {
    use gantz_shared::control::Secret;

    use super::super::Profile;
    use super::*;

    #[test]
    fn what_is_written_is_read_and_is_its_owners_only() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::within(&folder.path().join("gantz"));
        assert_eq!(place.read().unwrap(), Profiles::default());
        let mut profiles = Profiles::default();
        let key = Some(Secret::new("gzk_x".into()));
        profiles.add("work".into(), Profile { relay: "work.test:443".into(), key, keyring: false, fingerprint: None });
        place.write(&profiles).unwrap();
        place.write(&profiles).unwrap();
        assert_eq!(place.read().unwrap(), profiles);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(place.file()), mode(place.file().parent().unwrap())), (0o600, 0o700));
        fs::set_permissions(place.file(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(place.read(), Err(Unusable::Open)));
        fs::set_permissions(place.file(), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(place.file(), r#"{"version":2}"#).unwrap();
        assert!(matches!(place.read(), Err(Unusable::Version(2))));
        fs::write(place.file(), r#"{"version":1,"relays":{"a":{"key":"gzk_x"}}}"#).unwrap();
        assert!(matches!(place.read(), Err(Unusable::Damaged)));
    }
}
