//! What certificate and audit log say: looked up at a scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::said::{counter, gauge};
use crate::audit::Log;
use crate::tls::Current;

/// See the module's head.
pub(super) struct Upkeep {
    /// None where callers are shown no certificate of this relay's.
    pub(super) certificate: Option<Arc<Current>>,
    /// Whether this relay orders it itself.
    pub(super) is_ordered: bool,
    pub(super) audit: Log,
}

impl Collector for Upkeep {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        if let Some(certificate) = &self.certificate {
            if let Some(expiry) = certificate.expiry() {
                let title = ("gantz_certificate_expiry_timestamp_seconds", "When the certificate in use expires.");
                gauge(to, title, expiry.unix_timestamp())?;
            }
            if self.is_ordered {
                let title = ("gantz_certificate_renewal_failures", "Tries to get a certificate that have failed.");
                counter(to, title, certificate.failures())?;
            }
        }
        let title = ("gantz_audit_lost", "Lines of the audit log that were lost: the disk was full, or too slow.");
        counter(to, title, self.audit.lost())
    }
}

impl fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upkeep").finish_non_exhaustive()
    }
}
