//! When the peer was last heard.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Ear {
    opened: Instant,
    /// When the last byte came, milliseconds after `opened`.
    heard: AtomicU64,
}

impl Ear {
    pub(super) fn new() -> Self {
        Self { opened: Instant::now(), heard: AtomicU64::new(0) }
    }

    /// Something has come.
    pub(super) fn hear(&self) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(now, Ordering::Release);
    }

    fn last(&self) -> Instant {
        self.opened + Duration::from_millis(self.heard.load(Ordering::Acquire))
    }

    /// For how long nothing has come.
    pub(super) fn quiet_for(&self) -> Duration {
        self.last().elapsed()
    }

    /// Waits until nothing has come for `patience`. Cancel-safe.
    pub(super) async fn silence(&self, patience: Duration) {
        loop {
            let deadline = self.last() + patience;
            if Instant::now() >= deadline {
                return;
            }
            tokio::time::sleep_until(deadline).await;
        }
    }
}
