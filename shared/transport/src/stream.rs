//! The halves of a stream, whatever carries it. What is dropped unfinished is reset or stopped, never ended cleanly.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gantz_shared::reset::StreamCode;

use crate::{Lost, quic, tcp};

/// The sending half of a stream. Dropped before [`finish`](Self::finish) it is reset, never finished: else the peer
/// would take half a message for a whole one.
#[derive(Debug)]
pub struct SendStream {
    half: SendHalf,
    on_drop: StreamCode,
    over: bool,
}

#[derive(Debug)]
pub(crate) enum SendHalf {
    Quic(quic::SendHalf),
    Tcp(tcp::SendHalf),
}

impl SendStream {
    pub(crate) fn new(half: SendHalf, on_drop: StreamCode) -> Self {
        Self { half, on_drop, over: false }
    }

    /// Writes all of `chunks`, without copying them; waits for flow control. Not cancel-safe: a part may be written.
    ///
    /// # Errors
    /// [`WriteError`]
    pub async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), WriteError> {
        match &mut self.half {
            SendHalf::Quic(half) => half.write(chunks).await,
            SendHalf::Tcp(_) if self.over => Err(WriteError::Over),
            SendHalf::Tcp(half) => half.write(chunks).await,
        }
    }

    /// As [`write`](Self::write) and then [`finish`](Self::finish). Not cancel-safe.
    ///
    /// # Errors
    /// [`WriteError`]
    pub async fn write_last(&mut self, chunks: &mut [Bytes]) -> Result<(), WriteError> {
        match &mut self.half {
            SendHalf::Quic(half) => half.write(chunks).await?,
            SendHalf::Tcp(_) if self.over => return Err(WriteError::Over),
            SendHalf::Tcp(half) => {
                half.write_last(chunks).await?;
                self.over = true;
                return Ok(());
            }
        }
        self.finish()
    }

    /// Says that nothing follows. What was written is still delivered after a drop.
    ///
    /// # Errors
    /// [`WriteError::Over`] when it was finished or reset before.
    pub fn finish(&mut self) -> Result<(), WriteError> {
        let was_over = std::mem::replace(&mut self.over, true);
        match &mut self.half {
            SendHalf::Quic(half) => half.finish(),
            SendHalf::Tcp(_) if was_over => Err(WriteError::Over),
            SendHalf::Tcp(half) => {
                half.finish();
                Ok(())
            }
        }
    }

    /// Gives the stream up: the peer sees `code` and nothing that was not yet delivered. Over TCP that is the end of
    /// the other half, too.
    pub fn reset(&mut self, code: StreamCode) {
        if !self.over {
            self.over = true;
            match &mut self.half {
                SendHalf::Quic(half) => half.reset(code),
                SendHalf::Tcp(half) => half.reset(code),
            }
        }
    }

    /// Waits until the peer wants no more of this stream (`Some`), or has got all of it or is gone (`None`). Over TCP
    /// it has got all of it when all has left: what leaves later, such as a close, comes behind it.
    pub fn stopped(&self) -> impl Future<Output = Option<StreamCode>> + Send + Sync + 'static {
        let (quic, tcp) = match &self.half {
            SendHalf::Quic(half) => (Some(half.stopped()), None),
            SendHalf::Tcp(half) => (None, Some(half.stopped())),
        };
        async move {
            match (quic, tcp) {
                (Some(stopped), _) => stopped.await,
                (_, Some(stopped)) => stopped.await,
                (None, None) => None,
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

/// The receiving half of a stream. Dropped before its end it is stopped, so that the peer stops sending.
#[derive(Debug)]
pub struct RecvStream {
    half: RecvHalf,
    on_drop: StreamCode,
    over: bool,
}

#[derive(Debug)]
pub(crate) enum RecvHalf {
    Quic(quic::RecvHalf),
    Tcp(tcp::RecvHalf),
}

impl RecvStream {
    pub(crate) fn new(half: RecvHalf, on_drop: StreamCode) -> Self {
        Self { half, on_drop, over: false }
    }

    /// The next bytes, `None` at the end.
    ///
    /// # Errors
    /// The stream was reset, or the connection is lost.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamLost>> {
        let read = ready!(match &mut self.half {
            RecvHalf::Quic(half) => half.poll_read(cx),
            RecvHalf::Tcp(half) => half.poll_read(cx),
        });
        if matches!(read, Ok(None) | Err(StreamLost::Reset(_))) {
            self.over = true;
        }
        Poll::Ready(read)
    }

    /// Tells the peer to stop sending. Over TCP any code but [`StreamCode::NotNeeded`] ends the other half, too; that
    /// one is told when the other half has ended, and until then no more than a stream's window comes in vain.
    pub fn stop(&mut self, code: StreamCode) {
        if !self.over {
            self.over = true;
            match &mut self.half {
                RecvHalf::Quic(half) => half.stop(code),
                RecvHalf::Tcp(half) => half.stop(code),
            }
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
