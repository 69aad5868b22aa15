//! `--tls files`: a certificate and key that something else renews. The files are looked at every
//! [`FILE_POLL`]; watching by polling also works where a volume or a symlink switch sends no file events.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

use super::leaf::{Needs, Unfit};
use super::{Current, TlsError, provider};
use crate::config::FILE_POLL;

/// Looks after the two files.
#[derive(Debug)]
pub(crate) struct Watch {
    files: Files,
    seen: Look,
}

#[derive(Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
    needs: Needs,
}

/// What there was at a look that differed from the one before.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// The files held this, and may do from then on, if not at once.
    Contents(Contents, Option<OffsetDateTime>),
    /// They could not be read, for this reason.
    Unreadable(String),
}

#[derive(Debug, PartialEq, Eq)]
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Watch {
    /// Reads both files.
    pub(super) fn load(cert: &Path, key: &Path, needs: Needs) -> Result<(Self, CertifiedKey), TlsError> {
        let files = Files { cert: cert.to_owned(), key: key.to_owned(), needs };
        let contents = files.read()?;
        let certified = files.certify(&contents)?;
        Ok((Self { files, seen: Look::Contents(contents, None) }, certified))
    }

    /// Replaces `current` whenever the files have changed to something good. Never returns.
    pub(super) async fn run(mut self, current: Arc<Current>) {
        let mut interval = tokio::time::interval(FILE_POLL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.look(&current);
        }
    }

    /// Each change is told once.
    fn look(&mut self, current: &Current) {
        let contents = match self.files.read() {
            Ok(contents) => contents,
            Err(error) => {
                let look = Look::Unreadable(error.to_string());
                if self.seen != look {
                    tracing::warn!(%error, "certificate not reloaded; the old one stays in use");
                    self.seen = look;
                }
                return;
            }
        };
        if let Look::Contents(seen, from) = &self.seen
            && *seen == contents
            && from.is_none_or(|from| OffsetDateTime::now_utc() < from)
        {
            return;
        }
        let mut from = None;
        match self.files.certify(&contents) {
            Ok(certified) => {
                current.replace(certified);
                tracing::info!(path = %self.files.cert.display(), "certificate reloaded");
            }
            // Between the writing of the two files they do not fit each other: the next look decides.
            Err(error) => {
                tracing::warn!(%error, "new certificate refused; the old one stays in use");
                if let TlsError::Unfit { why: Unfit::NotYetValid { from: at, .. }, .. } = error {
                    from = Some(at);
                }
            }
        }
        self.seen = Look::Contents(contents, from);
    }
}

impl Files {
    fn read(&self) -> Result<Contents, TlsError> {
        let read = |what, path: &Path| std::fs::read(path).map_err(|error| bad(what, path, error.to_string()));
        Ok(Contents { cert: read("certificate", &self.cert)?, key: read("key", &self.key)? })
    }

    fn certify(&self, contents: &Contents) -> Result<CertifiedKey, TlsError> {
        let bad_cert = |why: String| bad("certificate", &self.cert, why);
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&contents.cert)
            .collect::<Result<_, _>>()
            .map_err(|error| bad_cert(error.to_string()))?;
        let Some(leaf) = chain.first().cloned() else { return Err(bad_cert("it holds no PEM certificate".into())) };
        let private =
            PrivateKeyDer::from_pem_slice(&contents.key).map_err(|error| bad("key", &self.key, error.to_string()))?;
        let certified = CertifiedKey::from_der(chain, private, &provider())
            .map_err(|error| bad_cert(format!("it does not go with its key: {error}")))?;
        self.needs
            .check(&leaf, OffsetDateTime::now_utc())
            .map_err(|why| TlsError::Unfit { path: self.cert.clone(), why })?;
        Ok(certified)
    }
}

fn bad(what: &'static str, path: &Path, why: String) -> TlsError {
    TlsError::File { what, path: path.to_owned(), why }
}
