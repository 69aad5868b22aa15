//! The system's keyring, for who wants the access keys there: the Secret Service (D-Bus) on Linux, the Keychain on macOS,
//! the Credential Manager on Windows.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use gantz_shared::control::Secret;
use keyring_core::api::CredentialStore;
use keyring_core::{Entry, Error};

/// What the entries are filed under.
const SERVICE: &str = "gantz";

/// How long a person may take to unlock it, who may be asked for a password.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why a key was not put into the keyring, or does not come out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// Nothing offers one here.
    #[error("there is no keyring here: {0}")]
    Missing(String),
    /// It is closed, and nobody has opened it.
    #[error("it is locked: {0}")]
    Locked(String),
    /// Nothing came of it in time.
    #[error("it did not answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// What it says.
    #[error("{0}")]
    Failed(String),
}

/// Where the key of one profile is in it. The relay is part of it, so that a key goes to its own relay only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    user: String,
}

impl Slot {
    /// That of the profile of this name, which is for this relay.
    #[must_use]
    pub fn new(profile: &str, relay: &str) -> Self {
        Self { user: format!("{profile} at {relay}") }
    }

    /// What it is called there.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.user
    }

    /// Whether there is a keyring at all. Does not unlock it.
    ///
    /// # Errors
    /// [`KeyringError`]
    pub fn probe() -> Result<(), KeyringError> {
        in_time(|| store().map(drop))
    }

    /// Puts the key there, in place of one that is there.
    ///
    /// # Errors
    /// [`KeyringError`]
    pub fn put(&self, key: &Secret) -> Result<(), KeyringError> {
        let key = key.clone();
        self.with(move |entry| entry.set_password(key.reveal()))
    }

    /// The key that is there, if one is.
    ///
    /// # Errors
    /// [`KeyringError`]
    pub fn get(&self) -> Result<Option<Secret>, KeyringError> {
        self.with(|entry| match entry.get_password() {
            Ok(key) => Ok(Some(Secret::new(key))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })
    }

    /// Takes the key out of it; `false`: there was none.
    ///
    /// # Errors
    /// [`KeyringError`]
    pub fn remove(&self) -> Result<bool, KeyringError> {
        self.with(|entry| match entry.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Entry) -> keyring_core::Result<T> + Send + 'static,
    ) -> Result<T, KeyringError> {
        let user = self.user.clone();
        in_time(move || {
            let entry = store()?.build(SERVICE, &user, None).map_err(|error| failed(&error))?;
            act(&entry).map_err(|error| failed(&error))
        })
    }
}

/// On a thread of its own: the keyring blocks for as long as it likes, and its client makes a runtime.
fn in_time<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, KeyringError> + Send + 'static,
) -> Result<T, KeyringError> {
    let (sender, done) = channel();
    let thread = std::thread::Builder::new().name("keyring".into()).spawn(move || {
        // Who waited may have gone.
        let _ = sender.send(act());
    });
    thread.map_err(|error| KeyringError::Failed(error.to_string()))?;
    done.recv_timeout(PATIENCE).unwrap_or_else(|error| match error {
        RecvTimeoutError::Timeout => Err(KeyringError::Silent),
        RecvTimeoutError::Disconnected => Err(KeyringError::Failed("its client has a bug".into())),
    })
}

fn store() -> Result<Arc<CredentialStore>, KeyringError> {
    let missing = |error: Error| KeyringError::Missing(words(&error));
    #[cfg(target_os = "macos")]
    let store = apple_native_keyring_store::keychain::Store::new().map_err(missing)?;
    #[cfg(windows)]
    let store = windows_native_keyring_store::Store::new().map_err(missing)?;
    #[cfg(all(unix, not(target_os = "macos")))]
    let store = zbus_secret_service_keyring_store::Store::new().map_err(missing)?;
    Ok(store)
}

fn failed(error: &Error) -> KeyringError {
    match error {
        Error::NoStorageAccess(_) => KeyringError::Locked(words(error)),
        _ => KeyringError::Failed(words(error)),
    }
}

/// The platform's words alone, and never what was found: that may be a key.
fn words(error: &Error) -> String {
    match error {
        Error::PlatformFailure(why) | Error::NoStorageAccess(why) => why.to_string(),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => "what is there is no key of gantz's".to_owned(),
        Error::Ambiguous(_) => "it has several keys of this name".to_owned(),
        other => other.to_string(),
    }
}
