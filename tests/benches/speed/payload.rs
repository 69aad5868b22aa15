//! A body of zeros of any length, made without copying.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// What one piece is: as much as a server reading a file would hand over at once.
const PIECE: Bytes = Bytes::from_static(&[0; 64 << 10]);

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Payload {
    piece: Bytes,
    left: u64,
}

impl Payload {
    /// `length` zeros.
    pub(crate) fn zeros(length: u64) -> Self {
        Self { piece: PIECE, left: length }
    }

    /// These bytes.
    pub(crate) fn bytes(bytes: Bytes) -> Self {
        Self { left: bytes.len() as u64, piece: bytes }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let length = self.left.min(self.piece.len() as u64);
        self.left -= length;
        Poll::Ready(Some(Ok(Frame::data(self.piece.slice(..length as usize)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
