//! An upgraded connection whose bytes are counted, as those of bodies are.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::metrics::{Direction, Metrics};

/// See the module's head. It is among the requests in flight until it is dropped.
pub(super) struct Counted<T> {
    io: T,
    metrics: Arc<Metrics>,
}

impl<T> Counted<T> {
    pub(super) fn new(io: T, metrics: Arc<Metrics>) -> Self {
        metrics.in_flight.inc();
        Self { io, metrics }
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, buffer));
        let bytes = buffer.filled().len() - before;
        self.metrics.body_bytes.of(Direction::In).inc_by(bytes as u64);
        Poll::Ready(read)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes));
        if let Ok(bytes) = &written {
            self.metrics.body_bytes.of(Direction::Out).inc_by(*bytes as u64);
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
