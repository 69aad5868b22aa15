//! A certificate with its key.

use std::fmt;
use std::sync::Arc;

use instant_acme::CertificateIdentifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::subject::Subject;

/// A certificate with its key, as rustls takes it.
#[derive(Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

/// Why a certificate is of no use.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BadCertificate {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// It does not go with its key.
    #[error("it does not go with its key: {0}")]
    Key(String),
    /// It is for other hosts.
    #[error("it does not cover {0}")]
    Name(String),
}

impl Certificate {
    /// Reads a key and a chain for `subject`, leaf first, from PEM.
    ///
    /// # Errors
    /// [`BadCertificate`]
    pub fn from_pem(pem: &[u8], subject: &Subject) -> Result<Self, BadCertificate> {
        let unreadable = |error: &dyn fmt::Display| BadCertificate::Unreadable(error.to_string());
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| unreadable(&error))?;
        let Some(leaf) = chain.first() else { return Err(unreadable(&"there is no PEM certificate in it")) };
        let private = PrivateKeyDer::from_pem_slice(pem).map_err(|error| BadCertificate::Key(error.to_string()))?;
        subject.check(leaf)?;
        let (_, x509) = X509Certificate::from_der(leaf).map_err(|error| unreadable(&error))?;
        let validity = x509.validity();
        let (not_before, not_after) = (validity.not_before.to_datetime(), validity.not_after.to_datetime());
        let key = CertifiedKey::from_der(chain, private, &crate::order::provider())
            .map_err(|error| BadCertificate::Key(error.to_string()))?;
        Ok(Self { key: Arc::new(key), not_before, not_after })
    }

    /// What rustls shows.
    #[must_use]
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        self.key.clone()
    }

    /// When its life began.
    #[must_use]
    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// When its life is over.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Whether it is valid at `now`.
    #[must_use]
    pub fn is_valid_at(&self, now: OffsetDateTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// What the certificate authority calls it, RFC 9773 §4.1; not every one can be called so.
    pub(crate) fn identifier(&self) -> Option<CertificateIdentifier<'static>> {
        let leaf = self.key.cert.first()?;
        CertificateIdentifier::try_from(leaf).ok().map(CertificateIdentifier::into_owned)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}
