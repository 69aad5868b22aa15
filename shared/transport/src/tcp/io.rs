//! The socket under h2: hears the peer, sees whether all has been written, and can be taken away from
//! h2. Its end is told to the driver alone: h2 would forget which streams had ended before.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::ear::Ear;

/// What is seen of a socket, and the socket.
#[derive(Debug)]
pub(super) struct Seen<T> {
    socket: Mutex<Option<T>>,
    ear: Arc<Ear>,
    is_full: AtomicBool,
    end: OnceLock<String>,
    ended: Notify,
}

impl<T> Seen<T> {
    /// Whether the socket takes no more for now.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Acquire)
    }

    /// Waits until the socket has ended, and says how. Cancel-safe.
    pub(super) async fn ended(&self) -> String {
        loop {
            if let Some(end) = self.end.get() {
                return end.clone();
            }
            self.ended.notified().await;
        }
    }

    /// Takes the socket away from h2.
    pub(super) fn take(&self) -> Option<T> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn end(&self, why: String) {
        self.is_full.store(false, Ordering::Release);
        let _first = self.end.get_or_init(|| why);
        self.ended.notify_one();
    }
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Io<T>(Arc<Seen<T>>);

impl<T: Unpin> Io<T> {
    /// `socket`, and what is seen of it; `ear` hears what comes.
    pub(super) fn new(socket: T, ear: Arc<Ear>) -> (Self, Arc<Seen<T>>) {
        let seen = Arc::new(Seen {
            socket: Mutex::new(Some(socket)),
            ear,
            is_full: AtomicBool::new(false),
            end: OnceLock::new(),
            ended: Notify::new(),
        });
        (Self(seen.clone()), seen)
    }

    /// Does something with the socket; an error is its end.
    fn with<R>(&self, act: impl FnOnce(Pin<&mut T>) -> Poll<io::Result<R>>) -> Poll<R> {
        let mut socket = self.0.socket.lock().unwrap_or_else(PoisonError::into_inner);
        match socket.as_mut().map(|socket| act(Pin::new(socket))) {
            Some(Poll::Ready(Ok(done))) => return Poll::Ready(done),
            Some(Poll::Ready(Err(error))) => self.0.end(error.to_string()),
            Some(Poll::Pending) | None => {}
        }
        Poll::Pending
    }

    fn write<R>(&self, act: impl FnOnce(Pin<&mut T>) -> Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        let written = self.with(act);
        let was_full = self.0.is_full.swap(written.is_pending() && self.0.end.get().is_none(), Ordering::AcqRel);
        if was_full && written.is_ready() {
            // There is room only because the peer's system has acknowledged something.
            self.0.ear.hear();
        }
        written.map(Ok)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Io<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.with(|socket| socket.poll_read(cx, buf));
        if buf.filled().len() > before {
            self.0.ear.hear();
        } else if read.is_ready() && buf.remaining() > 0 {
            self.0.end("the peer ended the connection without a word".to_owned());
            return Poll::Pending;
        }
        read.map(Ok)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Io<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.write(|socket| socket.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(|socket| socket.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        let socket = self.0.socket.lock().unwrap_or_else(PoisonError::into_inner);
        socket.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(|socket| socket.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(|socket| socket.poll_shutdown(cx))
    }
}
