//! What passes, as it passes: counted, and a beginning of it kept.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gantz_shared::fields::content_length;
use gantz_shared::wire::head::RequestHead;
use http::StatusCode;

use super::hidden::Hidden;
use super::peek::{Asked, Peek};

/// A handle of a call's counts; the default one counts nothing.
#[derive(Debug, Clone, Default)]
pub struct Tally(Option<Arc<Counts>>);

#[derive(Debug)]
struct Counts {
    status: AtomicU16,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    peek: Mutex<Peek>,
}

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) status: Option<u16>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

impl Tally {
    /// For the request with this head.
    pub(super) fn of(head: &RequestHead) -> Self {
        // A length that is none is refused elsewhere.
        let declared = content_length(&head.fields).ok().flatten();
        Self(Some(Arc::new(Counts {
            status: AtomicU16::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            peek: Mutex::new(Peek::new(head.has_body, declared)),
        })))
    }

    /// The answer has this status.
    pub fn status(&self, status: StatusCode) {
        if let Some(counts) = &self.0 {
            counts.status.store(status.as_u16(), Ordering::Relaxed);
        }
    }

    /// A piece of the request's body has come.
    pub fn body(&self, piece: &[u8]) {
        if let Some(counts) = &self.0 {
            counts.bytes_in.fetch_add(piece.len() as u64, Ordering::Relaxed);
            // A poisoned lock is used all the same: at worst the body is not read.
            counts.peek.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        }
    }

    /// So many bytes have come that are no message: of another protocol, after an upgrade.
    pub fn came(&self, bytes: usize) {
        if let Some(counts) = &self.0 {
            counts.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// So many bytes of the answer were handed over.
    pub fn went(&self, bytes: usize) {
        if let Some(counts) = &self.0 {
            counts.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn counted(&self) -> Counted {
        let Some(counts) = &self.0 else { return Counted::default() };
        let status = counts.status.load(Ordering::Relaxed);
        Counted {
            status: (status > 0).then_some(status),
            bytes_in: counts.bytes_in.load(Ordering::Relaxed),
            bytes_out: counts.bytes_out.load(Ordering::Relaxed),
        }
    }

    /// What the request asks for.
    pub(super) fn asked(&self, with_arguments: bool, hidden: &Hidden) -> Asked {
        let Some(counts) = &self.0 else { return Asked::Nothing };
        counts.peek.lock().unwrap_or_else(PoisonError::into_inner).read(with_arguments, hidden)
    }
}
