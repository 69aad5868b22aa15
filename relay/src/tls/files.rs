//! `--tls files`: a certificate and key that something else renews. The files are looked at every
//! [`CERTIFICATE_POLL`]; watching by polling also works where a volume or a symlink switch sends no file events.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{Current, TlsError, provider};
use crate::config::CERTIFICATE_POLL;

/// Looks after the two files.
#[derive(Debug)]
pub(crate) struct Watch {
    cert: PathBuf,
    key: PathBuf,
    seen: Contents,
}

/// What the files held when they were last looked at.
#[derive(Debug, PartialEq, Eq)]
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Watch {
    /// Reads both files.
    pub(super) fn load(cert: &Path, key: &Path) -> Result<(Self, CertifiedKey), TlsError> {
        let seen = Contents::read(cert, key)?;
        let certified = certify(cert, key, &seen)?;
        Ok((Self { cert: cert.to_owned(), key: key.to_owned(), seen }, certified))
    }

    /// Replaces `current` whenever the files have changed to something good. Never returns.
    pub(crate) async fn run(mut self, current: Arc<Current>) {
        let mut interval = tokio::time::interval(CERTIFICATE_POLL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let contents = match Contents::read(&self.cert, &self.key) {
                Ok(contents) => contents,
                Err(error) => {
                    tracing::warn!(%error, "certificate not reloaded; the old one stays in use");
                    continue;
                }
            };
            if contents == self.seen {
                continue;
            }
            match certify(&self.cert, &self.key, &contents) {
                Ok(certified) => {
                    current.replace(certified);
                    tracing::info!(path = %self.cert.display(), "certificate reloaded");
                }
                // Between the writing of the two files they do not fit each other: the next look decides.
                Err(error) => tracing::warn!(%error, "new certificate refused; the old one stays in use"),
            }
            self.seen = contents;
        }
    }
}

impl Contents {
    fn read(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |what, path: &Path| {
            std::fs::read(path).map_err(|error| TlsError::File { what, path: path.to_owned(), why: error.to_string() })
        };
        Ok(Self { cert: read("certificate", cert)?, key: read("key", key)? })
    }
}

fn certify(cert: &Path, key: &Path, contents: &Contents) -> Result<CertifiedKey, TlsError> {
    let bad = |what, path: &Path, why: String| TlsError::File { what, path: path.to_owned(), why };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&contents.cert)
        .collect::<Result<_, _>>()
        .map_err(|error| bad("certificate", cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(bad("certificate", cert, "it holds no PEM certificate".into()));
    }
    let private = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|error| bad("key", key, error.to_string()))?;
    CertifiedKey::from_der(chain, private, &provider())
        .map_err(|error| bad("certificate", cert, format!("it does not go with its key: {error}")))
}
