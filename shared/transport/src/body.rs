//! The body of a message as it comes off a stream, every piece at once: an answer's at the relay, a request's at the
//! agent. It is as long as its head declared and ends with `END`, or it is an error: a part never passes for the whole.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gantz_shared::reset::StreamCode;
use gantz_shared::wire::{Event, head};
use http_body::{Frame, SizeHint};

use crate::frames::{FrameReader, ReadError};

/// See the module's head. Dropped before its end, it stops the stream.
#[derive(Debug)]
pub struct MessageBody {
    reader: FrameReader,
    /// Bytes that are still to come, where the head declared them.
    left: Option<u64>,
    /// Trailers that came right behind the last declared byte.
    trailers: Option<Bytes>,
    done: bool,
}

/// A body that broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The stream or the message did.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It does not have the length that its head declared (RFC 9112 §6.3).
    #[error("the body is not as long as Content-Length says")]
    Length,
}

impl MessageBody {
    /// The body behind the head that `reader` has read; of `length` bytes, where the head declared them.
    #[must_use]
    pub fn new(reader: FrameReader, length: Option<u64>) -> Self {
        Self { reader, left: length, trailers: None, done: false }
    }

    /// As [`http_body::Body::poll_frame`].
    ///
    /// # Errors
    /// [`BodyError`]; the body is then over.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let frame = match self.trailers.take() {
            Some(trailers) => self.end(trailers),
            None => match ready!(self.reader.poll_event(cx)) {
                Ok(Some(Event::Data(piece))) => self.piece(cx, piece).map(Some),
                Ok(Some(Event::End(trailers))) => {
                    self.read_ahead(cx);
                    self.end(trailers)
                }
                Ok(_) => Ok(None),
                Err(error) => Err(error.into()),
            },
        };
        if !matches!(frame, Ok(Some(ref frame)) if frame.is_data()) {
            self.done = true;
        }
        Poll::Ready(frame.transpose())
    }

    /// Whether nothing more comes.
    #[must_use]
    pub fn is_end_stream(&self) -> bool {
        self.done
    }

    /// As [`http_body::Body::size_hint`].
    #[must_use]
    pub fn size_hint(&self) -> SizeHint {
        if self.done {
            return SizeHint::with_exact(0);
        }
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// Takes the message for over: nobody needs its body. Reads what has come to its end, because a stream that is
    /// read to its end needs no stopping. Cancel-safe.
    pub async fn read_over(&mut self) {
        // Nobody needs the body: how it ends changes nothing.
        while let Ok(Some(_)) = self.reader.event().await {}
    }

    /// Says that the body is over, for readers that look before they ask.
    pub fn end_here(&mut self) {
        self.done = true;
    }

    fn piece(&mut self, cx: &mut Context<'_>, piece: Bytes) -> Result<Frame<Bytes>, BodyError> {
        if let Some(left) = self.left {
            let left = left.checked_sub(piece.len() as u64).ok_or_else(|| self.mismatched())?;
            self.left = Some(left);
            // hyper asks for nothing more once a declared length is reached.
            if left == 0 && self.read_ahead(cx) {
                return Err(self.mismatched());
            }
        }
        Ok(Frame::data(piece))
    }

    /// Reads `END` and FIN, which have mostly come with the last piece: a stream that is read to its end needs no
    /// stopping. `true` when there is more body instead.
    fn read_ahead(&mut self, cx: &mut Context<'_>) -> bool {
        while let Poll::Ready(event) = self.reader.poll_event(cx) {
            match event {
                Ok(Some(Event::End(trailers))) if trailers.is_empty() => self.done = true,
                Ok(Some(Event::End(trailers))) => self.trailers = Some(trailers),
                Ok(Some(_)) => return true,
                // A declared length that is reached is all of the body, however the stream ends behind it.
                Ok(None) | Err(_) => {
                    self.done = self.trailers.is_none();
                    break;
                }
            }
        }
        false
    }

    fn end(&mut self, trailers: Bytes) -> Result<Option<Frame<Bytes>>, BodyError> {
        if self.left.is_some_and(|left| left > 0) {
            return Err(BodyError::Length);
        }
        if trailers.is_empty() {
            return Ok(None);
        }
        Ok(Some(Frame::trailers(head::fields(trailers).map_err(ReadError::from)?)))
    }

    fn mismatched(&mut self) -> BodyError {
        self.reader.stop(StreamCode::Protocol);
        BodyError::Length
    }
}
