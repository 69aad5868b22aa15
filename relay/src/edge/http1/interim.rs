//! Informational answers (103 and the like, RFC 9110 §15.2). hyper's server sends none but its own 100, so they are put
//! into the byte stream below it, at the only moment when that is safe: hyper has flushed all it wrote, and is waiting for
//! the next answer's head.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use http::{HeaderMap, StatusCode};
use tokio::io::AsyncWrite;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Queue {
    /// Everything hyper has written so far is flushed.
    flushed: AtomicBool,
    /// Looked at first, so that a connection without informational answers never takes the lock.
    waiting: AtomicBool,
    queue: Mutex<BytesMut>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { flushed: AtomicBool::new(true), waiting: AtomicBool::new(false), queue: Mutex::default() }
    }

    pub(super) fn set_flushed(&self, is_flushed: bool) {
        self.flushed.store(is_flushed, Ordering::Release);
    }

    /// Queues an informational answer; the connection writes it with its next flush. Left out when an earlier answer
    /// is still on its way out: informational answers are optional, and a mixed-up connection is not.
    pub(super) fn push(&self, status: StatusCode, fields: &HeaderMap) {
        if !self.flushed.load(Ordering::Acquire) {
            return;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.extend_from_slice(b"HTTP/1.1 ");
        queue.extend_from_slice(status.as_str().as_bytes());
        queue.extend_from_slice(b" ");
        queue.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        queue.extend_from_slice(b"\r\n");
        for (name, value) in fields {
            queue.extend_from_slice(name.as_str().as_bytes());
            queue.extend_from_slice(b": ");
            queue.extend_from_slice(value.as_bytes());
            queue.extend_from_slice(b"\r\n");
        }
        queue.extend_from_slice(b"\r\n");
        self.waiting.store(true, Ordering::Release);
    }

    /// Writes what is queued, whole.
    pub(super) fn poll_write<W: AsyncWrite + Unpin>(
        &self,
        writer: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.waiting.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        while !queue.is_empty() {
            let written = ready!(Pin::new(&mut *writer).poll_write(cx, &queue))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            queue.advance(written);
        }
        self.waiting.store(false, Ordering::Release);
        Poll::Ready(Ok(()))
    }
}
