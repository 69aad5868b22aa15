//! Informational answers (103 and the like, RFC 9110 §15.2).
//!
//! On HTTP/2 the stream sends them. On HTTP/1, hyper's server sends none but its own 100, so they are put into the byte
//! stream below it, at the only moment when that is safe: hyper has flushed all it wrote, and is waiting for the next
//! answer's head.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What the two ends share.
#[derive(Debug, Default)]
struct Shared {
    /// Everything hyper has written so far is flushed.
    flushed: AtomicBool,
    /// Looked at first, so that a connection without interim answers never takes the lock.
    waiting: AtomicBool,
    queue: Mutex<BytesMut>,
    /// The connection is to end with a reset.
    reset: AtomicBool,
}

/// A connection that can end with a reset.
pub(super) trait Reset {
    /// From now on, closing it resets it.
    fn reset_on_close(&self) -> io::Result<()>;
}

impl Reset for TcpStream {
    fn reset_on_close(&self) -> io::Result<()> {
        self.set_zero_linger()
    }
}

impl Reset for TlsStream<TcpStream> {
    fn reset_on_close(&self) -> io::Result<()> {
        self.get_ref().0.set_zero_linger()
    }
}

/// Where a request's informational answers go.
#[derive(Debug, Clone)]
pub(super) enum Interim {
    /// Into the connection.
    Http1(Queue),
    /// Into the stream.
    Http2(Arc<Mutex<SendResponse<Bytes>>>),
}

impl Interim {
    pub(super) fn http2(respond: Arc<Mutex<SendResponse<Bytes>>>) -> Self {
        Self::Http2(respond)
    }

    /// Sends an informational answer, if it can go out now: it is optional.
    pub(super) fn send(&self, status: StatusCode, fields: &HeaderMap) {
        match self {
            Self::Http1(queue) => queue.push(status, fields),
            Self::Http2(respond) => {
                let mut response = Response::new(());
                *response.status_mut() = status;
                *response.headers_mut() = fields.clone();
                let sent = respond.lock().unwrap_or_else(PoisonError::into_inner).send_informational(response);
                if let Err(error) = sent {
                    tracing::debug!(%error, "informational answer not sent");
                }
            }
        }
    }
}

/// The end that a connection's requests hold.
#[derive(Debug, Clone)]
pub(super) struct Queue(Arc<Shared>);

impl Queue {
    /// The connection is to end with a reset, and not with an end that a caller would take for an answer's.
    pub(super) fn reset_on_close(&self) {
        self.0.reset.store(true, Ordering::Release);
    }

    /// Queues an informational answer; the connection writes it with its next flush. Left out when an earlier answer
    /// is still on its way out: informational answers are optional, and a mixed-up connection is not.
    fn push(&self, status: StatusCode, fields: &HeaderMap) {
        if !self.0.flushed.load(Ordering::Acquire) {
            return;
        }
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.extend_from_slice(b"HTTP/1.1 ");
        queue.extend_from_slice(status.as_str().as_bytes());
        queue.extend_from_slice(b" ");
        queue.extend_from_slice(status.canonical_reason().unwrap_or("Informational").as_bytes());
        queue.extend_from_slice(b"\r\n");
        for (name, value) in fields {
            queue.extend_from_slice(name.as_str().as_bytes());
            queue.extend_from_slice(b": ");
            queue.extend_from_slice(value.as_bytes());
            queue.extend_from_slice(b"\r\n");
        }
        queue.extend_from_slice(b"\r\n");
        self.0.waiting.store(true, Ordering::Release);
    }
}

/// The end that hyper writes to.
#[derive(Debug)]
pub(super) struct InterimIo<T: Reset> {
    inner: T,
    shared: Arc<Shared>,
}

impl<T: Reset> InterimIo<T> {
    pub(super) fn new(inner: T) -> (Self, Queue) {
        let shared = Arc::new(Shared { flushed: AtomicBool::new(true), ..Shared::default() });
        (Self { inner, shared: shared.clone() }, Queue(shared))
    }
}

impl<T: Reset> Drop for InterimIo<T> {
    fn drop(&mut self) {
        if self.shared.reset.load(Ordering::Acquire)
            && let Err(error) = self.inner.reset_on_close()
        {
            tracing::debug!(%error, "connection was gone already");
        }
    }
}

impl<T: AsyncWrite + Reset + Unpin> InterimIo<T> {
    /// Writes what is queued, whole, before anything else may be written.
    fn poll_queue(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shared.waiting.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        while !queue.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &queue))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            queue.advance(written);
        }
        self.shared.waiting.store(false, Ordering::Release);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Reset + Unpin> AsyncWrite for InterimIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_queue(cx))?;
        self.shared.flushed.store(false, Ordering::Release);
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_queue(cx))?;
        self.shared.flushed.store(false, Ordering::Release);
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_queue(cx))?;
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.shared.flushed.store(true, Ordering::Release);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<T: AsyncRead + Reset + Unpin> AsyncRead for InterimIo<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}
