//! The halves of a stream. What is dropped unfinished is reset or stopped, never ended cleanly.

use std::pin::pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gantz_shared::reset::StreamCode;
use quinn::VarInt;

use super::Lost;

/// Bytes one read takes at most; what lies together is one slice.
const READ_CHUNK: usize = 256 << 10;

/// The sending half of a stream. Dropped before [`finish`](Self::finish) it is reset, never finished: quinn by itself
/// would finish it, and the peer would take half a message for a whole one.
#[derive(Debug)]
pub struct SendStream {
    inner: quinn::SendStream,
    on_drop: StreamCode,
    over: bool,
}

impl SendStream {
    pub(super) fn new(inner: quinn::SendStream, on_drop: StreamCode) -> Self {
        Self { inner, on_drop, over: false }
    }

    /// Writes all of `chunks`, without copying them; waits for flow control. Not cancel-safe: a part may be written.
    ///
    /// # Errors
    /// [`WriteError`]
    pub async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), WriteError> {
        self.inner.write_all_chunks(chunks).await.map_err(WriteError::from)
    }

    /// Says that nothing follows. What was written is still delivered after a drop.
    ///
    /// # Errors
    /// [`WriteError::Over`] when it was finished or reset before.
    pub fn finish(&mut self) -> Result<(), WriteError> {
        self.over = true;
        self.inner.finish().map_err(|_| WriteError::Over)
    }

    /// Gives the stream up: the peer sees `code` and nothing that was not yet delivered.
    pub fn reset(&mut self, code: StreamCode) {
        if !self.over {
            self.over = true;
            // The only error is that the stream is over by now, which is what was wanted.
            let _ = self.inner.reset(VarInt::from_u32(code.code()));
        }
    }

    /// Waits until the peer wants no more of this stream (`Some`), or has got all of it or is gone (`None`).
    pub fn stopped(&self) -> impl Future<Output = Option<StreamCode>> + Send + Sync + 'static {
        let stopped = self.inner.stopped();
        async move {
            match stopped.await {
                Ok(Some(code)) => Some(StreamCode::from_code(code.into_inner())),
                Ok(None) => None,
                Err(_) => Some(StreamCode::Dropped),
            }
        }
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        self.reset(self.on_drop);
    }
}

/// Why nothing more can be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The peer wants no more.
    #[error("stopped by the peer: {0:?}")]
    Stopped(StreamCode),
    /// The connection is lost.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The stream was finished or reset on this side.
    #[error("the stream is over")]
    Over,
}

impl From<quinn::WriteError> for WriteError {
    fn from(error: quinn::WriteError) -> Self {
        match error {
            quinn::WriteError::Stopped(code) => Self::Stopped(StreamCode::from_code(code.into_inner())),
            quinn::WriteError::ConnectionLost(lost) => Self::Lost(lost.into()),
            quinn::WriteError::ClosedStream | quinn::WriteError::ZeroRttRejected => Self::Over,
        }
    }
}

/// The receiving half of a stream. Dropped before its end it is stopped, so that the peer stops sending.
#[derive(Debug)]
pub struct RecvStream {
    inner: quinn::RecvStream,
    on_drop: StreamCode,
    over: bool,
}

impl RecvStream {
    pub(super) fn new(inner: quinn::RecvStream, on_drop: StreamCode) -> Self {
        Self { inner, on_drop, over: false }
    }

    /// The next bytes, `None` at the end.
    ///
    /// # Errors
    /// The stream was reset, or the connection is lost.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamLost>> {
        // `read_chunk` keeps nothing between polls, so a fresh future each time is the poll function quinn lacks.
        let read = std::task::ready!(pin!(self.inner.read_chunk(READ_CHUNK, true)).poll(cx));
        Poll::Ready(match read {
            Ok(Some(chunk)) => Ok(Some(chunk.bytes)),
            Ok(None) => {
                self.over = true;
                Ok(None)
            }
            Err(quinn::ReadError::Reset(code)) => {
                self.over = true;
                Err(StreamLost::Reset(StreamCode::from_code(code.into_inner())))
            }
            Err(quinn::ReadError::ConnectionLost(lost)) => Err(StreamLost::Lost(lost.into())),
            Err(other) => Err(StreamLost::Lost(Lost::Broken(other.to_string()))),
        })
    }

    /// Tells the peer to stop sending.
    pub fn stop(&mut self, code: StreamCode) {
        if !self.over {
            self.over = true;
            // The only error is that the stream is over by now, which is what was wanted.
            let _ = self.inner.stop(VarInt::from_u32(code.code()));
        }
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        self.stop(self.on_drop);
    }
}

/// Why nothing more can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamLost {
    /// The peer gave the stream up.
    #[error("reset by the peer: {0:?}")]
    Reset(StreamCode),
    /// The connection is lost.
    #[error(transparent)]
    Lost(#[from] Lost),
}
