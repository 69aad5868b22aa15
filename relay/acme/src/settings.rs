//! What is ordered, and from whom.

use std::path::PathBuf;

use rustls::pki_types::CertificateDer;

use crate::{Pace, Subject};

/// Addresses of directories (RFC 8555 §7.1.1).
pub mod directory {
    /// Let's Encrypt.
    pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
    /// Let's Encrypt for trying out: its certificates are trusted by nobody, and its limits are wide.
    pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
}

/// What is ordered, and from whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the certificate is for.
    pub subject: Subject,
    /// Address of the certificate authority's directory, https.
    pub directory: String,
    /// Where the certificate authority may write to when something is wrong.
    pub email: Option<String>,
    /// Who vouches for the certificate authority's own server.
    pub trust: Trust,
    /// Folder for accounts, certificates and keys. It is made, for its owner only.
    pub folder: PathBuf,
    /// When tries that failed are made again.
    pub pace: Pace,
}

impl Settings {
    /// The defaults for `domain` and everything under it: Let's Encrypt, and what is kept goes into `folder`.
    #[must_use]
    pub fn new(domain: &str, folder: PathBuf) -> Self {
        Self {
            subject: Subject::Domain(domain.to_owned()),
            directory: directory::LETS_ENCRYPT.to_owned(),
            email: None,
            trust: Trust::System,
            folder,
            pace: Pace::default(),
        }
    }
}

/// Whose certificates are believed.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The system's certificate authorities.
    System,
    /// These alone.
    Only(Vec<CertificateDer<'static>>),
}
