//! What a connection and its requests tell each other.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::interim::Queue;
use crate::edge::answer::Failure;
use crate::tunnels::Unread;

/// See the module's head.
pub(in crate::edge) struct Shared {
    interim: Queue,
    /// The connection is to end with a reset.
    reset: AtomicBool,
    /// The connection has left HTTP behind.
    raw: AtomicBool,
    /// Requests whose answer has begun.
    begun: AtomicUsize,
    /// Requests whose answer is over.
    answered: AtomicUsize,
    opened: Instant,
    /// When the last answer was over, microseconds after `opened`.
    idle_since: AtomicU64,
    /// Reads on when an answer is over.
    reader: AtomicWaker,
    /// What the next request is to be answered with: its head was none.
    refusal: Mutex<Option<Failure>>,
    /// Where the answer that is being written is counted when its caller does not take it.
    unread: Mutex<Option<Arc<Unread>>>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            interim: Queue::new(),
            reset: AtomicBool::new(false),
            raw: AtomicBool::new(false),
            begun: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            opened: Instant::now(),
            idle_since: AtomicU64::new(0),
            reader: AtomicWaker::new(),
            refusal: Mutex::default(),
            unread: Mutex::default(),
        }
    }

    /// Sends an informational answer, if it can go out now.
    pub(in crate::edge) fn inform(&self, status: StatusCode, fields: &HeaderMap) {
        self.interim.push(status, fields);
    }

    pub(super) fn interim(&self) -> &Queue {
        &self.interim
    }

    /// The connection is to end with a reset, and not with an end that a caller would take for an answer's.
    pub(super) fn reset_on_close(&self) {
        self.reset.store(true, Ordering::Release);
    }

    pub(super) fn is_to_reset(&self) -> bool {
        self.reset.load(Ordering::Acquire)
    }

    /// From here on the connection belongs to another protocol.
    pub(super) fn set_raw(&self) {
        self.raw.store(true, Ordering::Release);
        self.reader.wake();
    }

    pub(super) fn is_raw(&self) -> bool {
        self.raw.load(Ordering::Acquire)
    }

    /// One more answer has begun: nobody waits for the rest of its request's body.
    pub(super) fn begin_answer(&self) {
        self.begun.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Acquire)
    }

    pub(super) fn answered(&self) -> usize {
        self.answered.load(Ordering::Acquire)
    }

    /// Since when there is no request.
    pub(super) fn idle_since(&self) -> Instant {
        self.opened + Duration::from_micros(self.idle_since.load(Ordering::Acquire))
    }

    /// Who waits for the end of an answer.
    pub(super) fn register(&self, reader: &Waker) {
        self.reader.register(reader);
    }

    pub(super) fn refuse(&self, failure: Failure) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    pub(super) fn take_refusal(&self) -> Option<Failure> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn set_unread(&self, unread: Option<Arc<Unread>>) {
        *self.unread.lock().unwrap_or_else(PoisonError::into_inner) = unread;
    }

    pub(super) fn unread(&self) -> Option<Arc<Unread>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A request that is being answered. Dropped when the answer is over.
pub(super) struct Answering(pub(super) Arc<Shared>);

impl Drop for Answering {
    fn drop(&mut self) {
        let idle_since = u64::try_from(self.0.opened.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.idle_since.store(idle_since, Ordering::Release);
        self.0.answered.fetch_add(1, Ordering::AcqRel);
        self.0.reader.wake();
    }
}
