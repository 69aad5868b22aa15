//! What outlives a restart: the account with the certificate authority, and each certificate with its key, in one file, so
//! that they never belong to two different ones.
//!
//! ```text
//! FOLDER/acme-v02.api.letsencrypt.org-directory/account.json
//!                                              /relay.example.com.pem
//!                                              /names/calm-owl-7f3k9q.relay.example.com.pem
//!                                              /issued.json   (how many of these, and when)
//! ```
//!
//! A directory has a folder: what was tried out with one that nobody trusts is never taken for the real thing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use instant_acme::AccountCredentials;

use crate::certificate::{BadCertificate, Certificate};
use crate::limits::ROOM;
use crate::settings::Settings;
use crate::subject::Subject;

/// What could not be done with the state folder.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}: {source}", path.display())]
pub struct StoreError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// What a file held.
#[derive(Debug)]
pub(crate) enum Kept<T> {
    Nothing,
    Good(T),
    /// It is no use, for this reason, and has been set aside under this name.
    SetAside(PathBuf, String),
}

/// The files. What waits for a disk waits on a thread of its own, as the thread that it is called on has callers to serve.
/// Clones are of the same folder.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    folder: PathBuf,
    subject: Subject,
    /// The certificate of the subject.
    certificate: PathBuf,
    accounts: Arc<tokio::sync::Mutex<()>>,
}

impl Store {
    pub(crate) fn open(settings: &Settings) -> Result<Self, StoreError> {
        let folder = settings.folder.join(folder_of(&settings.directory));
        create(&folder)?;
        let subject = settings.subject.clone();
        let certificate = folder.join(file_of(subject.host()));
        Ok(Self { folder, subject, certificate, accounts: Arc::default() })
    }

    /// The one for a name under the domain: with the same account, and a certificate of its own.
    pub(crate) fn of_name(&self, host: &str) -> Self {
        let certificate = self.names_path().join(file_of(host));
        Self { subject: Subject::Host(host.to_owned()), certificate, ..self.clone() }
    }

    /// Makes the folder of names where there is none, and lists the hosts that have a file in it.
    pub(crate) fn names(&self) -> Result<Vec<String>, StoreError> {
        let folder = self.names_path();
        create(&folder)?;
        let failed = || failed("cannot list", &folder);
        let mut hosts = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            let host = path.file_stem().and_then(|stem| stem.to_str());
            if let Some(host) = host.filter(|_| path.extension().is_some_and(|end| end == "pem")) {
                hosts.push(host.to_owned());
            }
        }
        Ok(hosts)
    }

    /// Whoever has this is the only one who opens or makes accounts.
    pub(crate) async fn accounts(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.accounts.lock().await
    }

    pub(crate) fn certificate(&self) -> Result<Kept<Certificate>, StoreError> {
        let path = self.certificate.clone();
        let Some(pem) = read(&path)? else { return Ok(Kept::Nothing) };
        match Certificate::from_pem(&pem, &self.subject) {
            Ok(certificate) => Ok(Kept::Good(certificate)),
            Err(why) => set_aside(&path, &why.to_string()),
        }
    }

    pub(crate) async fn keep_certificate(&self, pem: &Pem) -> Result<(), StoreError> {
        apart(self.certificate.clone(), pem.0.clone().into_bytes(), write).await
    }

    /// Nobody has a use for it any more.
    pub(crate) async fn remove_certificate(&self) -> Result<(), StoreError> {
        let remove = |path: &Path, _: &[u8]| match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("cannot remove", path)(error)),
            _ => Ok(()),
        };
        apart(self.certificate.clone(), Vec::new(), remove).await
    }

    /// When certificates for names were issued, in seconds since 1970.
    pub(crate) fn issued(&self) -> Result<Kept<Vec<u64>>, StoreError> {
        let path = self.issued_path();
        let Some(json) = read(&path)? else { return Ok(Kept::Nothing) };
        match serde_json::from_slice(&json) {
            Ok(issued) => Ok(Kept::Good(issued)),
            Err(error) => set_aside(&path, &format!("not a list of seconds: {error}")),
        }
    }

    pub(crate) async fn keep_issued(&self, issued: &[u64]) -> Result<(), StoreError> {
        let path = self.issued_path();
        let json = serde_json::to_vec(issued).map_err(|error| failed("cannot write", &path)(error.into()))?;
        apart(path, json, write).await
    }

    pub(crate) fn account(&self) -> Result<Kept<AccountCredentials>, StoreError> {
        let path = self.account_path();
        let Some(json) = read(&path)? else { return Ok(Kept::Nothing) };
        match serde_json::from_slice(&json) {
            Ok(account) => Ok(Kept::Good(account)),
            // What serde says may repeat the text, and the text has a key in it.
            Err(error) => set_aside(&path, &format!("not an account, in line {}", error.line())),
        }
    }

    pub(crate) async fn keep_account(&self, account: &AccountCredentials) -> Result<(), StoreError> {
        let path = self.account_path();
        let json = serde_json::to_vec(account).map_err(|error| failed("cannot write", &path)(error.into()))?;
        apart(path, json, write).await
    }

    /// The certificate authority does not know this account any more.
    pub(crate) fn set_account_aside(&self) -> Result<(), StoreError> {
        let path = self.account_path();
        if path.exists() {
            set_aside::<()>(&path, "")?;
        }
        Ok(())
    }

    /// Whether what is about to be asked for could be kept. Found out by writing as much, as a disk's free space says
    /// nothing of quotas.
    pub(crate) async fn has_room(&self) -> Result<(), StoreError> {
        let written_and_removed = |path: &Path, bytes: &[u8]| {
            write(path, bytes)?;
            fs::remove_file(path).map_err(failed("cannot remove", path))
        };
        // A place of its own: others may be asked for at the same time.
        apart(with_suffix(&self.certificate, ".room"), vec![0; ROOM], written_and_removed).await
    }

    fn names_path(&self) -> PathBuf {
        self.folder.join("names")
    }

    fn issued_path(&self) -> PathBuf {
        self.folder.join("issued.json")
    }

    fn account_path(&self) -> PathBuf {
        self.folder.join("account.json")
    }
}

/// A key and a chain, in PEM.
#[derive(Clone)]
pub(crate) struct Pem(String);

impl Pem {
    pub(crate) fn new(key: &str, chain: &str) -> Self {
        Self(format!("{}\n{chain}", key.trim_end()))
    }

    pub(crate) fn certificate(&self, subject: &Subject) -> Result<Certificate, BadCertificate> {
        Certificate::from_pem(self.0.as_bytes(), subject)
    }
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pem(…)")
    }
}

/// `https://acme.example/directory` is kept in `acme.example-directory`.
fn folder_of(directory: &str) -> String {
    let name = directory.strip_prefix("https://").unwrap_or(directory);
    let name: String =
        name.chars().map(|char| if char.is_ascii_alphanumeric() || char == '.' { char } else { '-' }).collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "directory".to_owned() } else { name.to_owned() }
}

/// The file of a certificate.
fn file_of(host: &str) -> String {
    format!("{host}.pem")
}

/// A folder for its owner only.
fn create(folder: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed("cannot create", folder))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError { action, path, source }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("cannot read", path)(error)),
    }
}

async fn apart(
    path: PathBuf,
    bytes: Vec<u8>,
    work: impl FnOnce(&Path, &[u8]) -> Result<(), StoreError> + Send + 'static,
) -> Result<(), StoreError> {
    let here = path.clone();
    let done = tokio::task::spawn_blocking(move || work(&path, &bytes)).await;
    done.unwrap_or_else(|error| Err(failed("cannot write", &here)(io::Error::other(error))))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn set_aside<T>(path: &Path, why: &str) -> Result<Kept<T>, StoreError> {
    let aside = with_suffix(path, ".unused");
    fs::rename(path, &aside).map_err(failed("cannot set aside", path))?;
    Ok(Kept::SetAside(aside, why.to_owned()))
}

/// Writes a file for its owner only, whole or not at all, and does not return before it would outlive a power cut.
fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let partial = with_suffix(path, ".new");
    let result = write_through(path, &partial, bytes);
    if result.is_err()
        && let Err(error) = fs::remove_file(&partial)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(path = %partial.display(), %error, "what was written in part is left");
    }
    result.map_err(failed("cannot write", path))
}

fn write_through(path: &Path, partial: &Path, bytes: &[u8]) -> io::Result<()> {
    // One that a crash left behind may have other permissions, and opening it would keep them.
    match fs::remove_file(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(partial, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
