//! Bodies: zeros of any length, made without copying, and a small answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// What one piece is: as much as a server reading a file would hand over at once.
const PIECE: Bytes = Bytes::from_static(&[0; 64 << 10]);

/// Bytes of the small answer.
pub const SMALL: usize = 200;

/// JSON as a small tool call answers it.
pub fn small() -> Bytes {
    let frame = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":""}]}}"#;
    let text = "x".repeat(SMALL - frame.len());
    Bytes::from(frame.replace(r#""text":"""#, &format!(r#""text":"{text}""#)))
}

/// A body; see the module's head.
#[derive(Debug)]
pub struct Payload {
    piece: Bytes,
    left: u64,
}

impl Payload {
    /// `length` zeros.
    pub fn zeros(length: u64) -> Self {
        Self { piece: PIECE, left: length }
    }

    /// These bytes.
    pub fn bytes(bytes: Bytes) -> Self {
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
