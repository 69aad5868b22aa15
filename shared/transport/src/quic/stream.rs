//! The halves of a stream of quinn's. quinn by itself would finish one that is dropped.

use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gantz_shared::reset::StreamCode;
use quinn::VarInt;

use super::granted::Taken;
use crate::Lost;
use crate::stream::{StreamLost, WriteError};

/// Bytes one read takes at most; what lies together is one slice.
const READ_CHUNK: usize = 256 << 10;

/// See [`crate::SendStream`], whose functions these are.
#[derive(Debug)]
pub(crate) struct SendHalf {
    stream: quinn::SendStream,
    /// The stream is counted for as long as there is something to send.
    _taken: Option<Taken>,
}

impl SendHalf {
    pub(super) fn new(stream: quinn::SendStream, taken: Option<Taken>) -> Self {
        Self { stream, _taken: taken }
    }

    pub(crate) async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), WriteError> {
        self.stream.write_all_chunks(chunks).await.map_err(WriteError::from)
    }

    pub(crate) fn finish(&mut self) -> Result<(), WriteError> {
        self.stream.finish().map_err(|_| WriteError::Over)
    }

    pub(crate) fn reset(&mut self, code: StreamCode) {
        // The only error is that the stream is over by now, which is what was wanted.
        let _ = self.stream.reset(VarInt::from_u32(code.code()));
    }

    pub(crate) fn stopped(&self) -> impl Future<Output = Option<StreamCode>> + Send + Sync + 'static {
        let stopped = self.stream.stopped();
        async move {
            match stopped.await {
                Ok(Some(code)) => Some(StreamCode::from_code(code.into_inner())),
                Ok(None) => None,
                Err(_) => Some(StreamCode::Dropped),
            }
        }
    }
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

/// See [`crate::RecvStream`], whose functions these are.
#[derive(Debug)]
pub(crate) struct RecvHalf(pub(super) quinn::RecvStream);

impl RecvHalf {
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamLost>> {
        // `read_chunk` keeps nothing between polls, so a fresh future each time is the poll function quinn lacks.
        let read = ready!(pin!(self.0.read_chunk(READ_CHUNK, true)).poll(cx));
        Poll::Ready(match read {
            Ok(chunk) => Ok(chunk.map(|chunk| chunk.bytes)),
            Err(quinn::ReadError::Reset(code)) => Err(StreamLost::Reset(StreamCode::from_code(code.into_inner()))),
            Err(quinn::ReadError::ConnectionLost(lost)) => Err(StreamLost::Lost(lost.into())),
            Err(other) => Err(StreamLost::Lost(Lost::Broken(other.to_string()))),
        })
    }

    pub(crate) fn stop(&mut self, code: StreamCode) {
        // The only error is that the stream is over by now, which is what was wanted.
        let _ = self.0.stop(VarInt::from_u32(code.code()));
    }
}
