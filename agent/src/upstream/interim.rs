//! Informational answers of the local server, handed from hyper's callback to the request that waits.

use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, StatusCode};
use tokio::sync::Notify;

/// Informational answers that wait to be passed on; one more is dropped, as they are optional.
const MAX_WAITING: usize = 16;

/// The queue of one request.
#[derive(Debug, Default)]
pub struct Interim {
    waiting: Mutex<Vec<(StatusCode, HeaderMap)>>,
    came: Notify,
}

impl Interim {
    /// Adds one; called by hyper's connection.
    pub(super) fn push(&self, status: StatusCode, fields: HeaderMap) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MAX_WAITING {
            waiting.push((status, fields));
            self.came.notify_one();
        }
    }

    /// The next one, in order. Cancel-safe.
    pub(crate) async fn next(&self) -> (StatusCode, HeaderMap) {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.came.notified().await;
        }
    }

    /// The next one, if it has come.
    pub(crate) fn take(&self) -> Option<(StatusCode, HeaderMap)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        (!waiting.is_empty()).then(|| waiting.remove(0))
    }
}
