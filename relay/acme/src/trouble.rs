//! Why there is no new certificate.

use std::time::SystemTime;

use time::OffsetDateTime;

use crate::certificate::BadCertificate;
use crate::store::StoreError;

/// Why a try did not lead to a new certificate. Its text is for the operator, and holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// The certificate authority cannot be reached, or is not able to work at the moment.
    #[error("the certificate authority cannot be asked: {0}")]
    Unreachable(String),
    /// It said no.
    #[error("the certificate authority refuses: {0}")]
    Refused(String),
    /// It has been asked too often.
    #[error("the certificate authority has been asked too often: {why}")]
    RateLimited {
        /// What it said.
        why: String,
        /// Before this it is not asked again, where it said so.
        until: Option<SystemTime>,
    },
    /// The command that sets records did not do so.
    #[error("hook {0}")]
    Hook(String),
    /// What was issued is of no use.
    #[error("the certificate that was issued: {0}")]
    Useless(#[from] BadCertificate),
    /// It is not valid by this machine's clock. It is in use all the same: clocks of others are more often right.
    #[error(
        "the certificate that was issued is valid from {not_before} to {not_after}: is this machine's clock wrong?"
    )]
    Clock {
        /// When its life begins.
        not_before: OffsetDateTime,
        /// When it ends.
        not_after: OffsetDateTime,
    },
    /// As many names as may be have got their first certificate lately. The certificate authority is not asked.
    #[error(
        "{max} names have got their first certificate within 7 days, as many as may be; the next one may from {until} on"
    )]
    NamesPerWeek {
        /// How many may be.
        max: u32,
        /// When the next one may be issued.
        until: OffsetDateTime,
    },
    /// It could not be kept: nothing is asked for then.
    #[error(transparent)]
    Store(#[from] StoreError),
}
