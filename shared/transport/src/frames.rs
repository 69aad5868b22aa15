//! Frames over a stream: the sans-IO codec of `gantz_shared::wire` with a stream behind it.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use gantz_shared::limits::MAX_DATA;
use gantz_shared::reset::StreamCode;
use gantz_shared::wire::{self, Decoder, Direction, Event, WireError};
use http::HeaderMap;
use http::header::HeaderName;

use crate::{RecvStream, SendStream, StreamLost, WriteError};

/// Body pieces up to this many bytes are copied behind their frame header, so that they leave as one slice; larger
/// ones are handed over as they are.
const COPY_BELOW: usize = 4 << 10;

/// Longest header of a frame: its kind, and its length as a varint (RFC 9000 §16).
const MAX_HEADER: usize = 9;

/// What the buffer is asked for at least, bytes: the headers of many large pieces, or a small piece or two.
const ROOM: usize = 256;

/// Reads one direction of a request stream.
#[derive(Debug)]
pub struct FrameReader {
    recv: RecvStream,
    decoder: Decoder,
}

impl FrameReader {
    /// A reader at the start of `recv`.
    #[must_use]
    pub fn new(recv: RecvStream, direction: Direction) -> Self {
        Self { recv, decoder: Decoder::new(direction) }
    }

    /// The next event; `None` at the end of a stream whose message was whole.
    ///
    /// # Errors
    /// [`ReadError`]. After a [`ReadError::Wire`] the stream has been stopped with [`StreamCode::Protocol`].
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Event>, ReadError>> {
        loop {
            match self.decoder.next() {
                Ok(Some(event)) => return Poll::Ready(Ok(Some(event))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(self.violated(error))),
            }
            match ready!(self.recv.poll_read(cx))? {
                Some(chunk) => self.decoder.push(chunk),
                None => {
                    return Poll::Ready(match self.decoder.finish() {
                        Ok(()) => Ok(None),
                        Err(error) => Err(self.violated(error)),
                    });
                }
            }
        }
    }

    /// As [`poll_event`](Self::poll_event). Cancel-safe.
    ///
    /// # Errors
    /// As [`poll_event`](Self::poll_event).
    pub async fn event(&mut self) -> Result<Option<Event>, ReadError> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Whether the message has ended: nothing but the FIN is left to read.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.decoder.is_ended()
    }

    /// Tells the peer to stop sending.
    pub fn stop(&mut self, code: StreamCode) {
        self.recv.stop(code);
    }

    fn violated(&mut self, error: WireError) -> ReadError {
        self.recv.stop(StreamCode::Protocol);
        ReadError::Wire(error)
    }
}

/// Why a message was not read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The peer broke the protocol.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The stream or its connection is lost.
    #[error(transparent)]
    Stream(#[from] StreamLost),
}

impl ReadError {
    /// The code of the peer's reset, when that is what happened.
    #[must_use]
    pub fn reset_code(&self) -> Option<StreamCode> {
        match self {
            Self::Stream(StreamLost::Reset(code)) => Some(*code),
            _ => None,
        }
    }
}

/// Writes one direction of a request stream. Frames gather in a buffer until [`flush`](Self::flush) or the next body
/// piece takes them along, so that a small message leaves in one write.
#[derive(Debug)]
pub struct FrameWriter {
    send: SendStream,
    buffer: BytesMut,
}

impl FrameWriter {
    /// A writer at the start of `send`.
    #[must_use]
    pub fn new(send: SendStream) -> Self {
        Self { send, buffer: BytesMut::with_capacity(1024) }
    }

    /// Where frames are encoded to.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Writes what has gathered. Not cancel-safe.
    ///
    /// # Errors
    /// [`WriteError`]
    pub async fn flush(&mut self) -> Result<(), WriteError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = self.buffer.split().freeze();
        self.send.write(&mut [chunk]).await
    }

    /// As [`flush`](Self::flush), and lets go of the buffer: for a message that may be silent for long.
    ///
    /// # Errors
    /// [`WriteError`]
    pub async fn rest(&mut self) -> Result<(), WriteError> {
        let chunk = std::mem::take(&mut self.buffer).freeze();
        if chunk.is_empty() {
            return Ok(());
        }
        self.send.write(&mut [chunk]).await
    }

    /// Writes a piece of body as one or more `DATA` frames, with what has gathered before it. Not cancel-safe.
    ///
    /// # Errors
    /// [`WriteError`]
    pub async fn data(&mut self, mut piece: Bytes) -> Result<(), WriteError> {
        while !piece.is_empty() {
            let part = piece.split_to(piece.len().min(MAX_DATA));
            self.make_room(MAX_HEADER + if part.len() <= COPY_BELOW { part.len() } else { 0 });
            wire::data_header(part.len(), &mut self.buffer);
            if part.len() <= COPY_BELOW {
                self.buffer.extend_from_slice(&part);
                self.flush().await?;
            } else {
                let header = self.buffer.split().freeze();
                self.send.write(&mut [header, part]).await?;
            }
        }
        Ok(())
    }

    /// At once for all of `bytes`, where the buffer was let go of.
    fn make_room(&mut self, bytes: usize) {
        if self.buffer.capacity() - self.buffer.len() < bytes {
            self.buffer.reserve(bytes.max(ROOM));
        }
    }

    /// Adds a piece of body to the buffer instead of writing it, when it is small: for a message that ends with it.
    /// Gives the piece back when it is not.
    pub fn gather(&mut self, piece: Bytes) -> Option<Bytes> {
        if piece.len() > COPY_BELOW {
            return Some(piece);
        }
        if !piece.is_empty() {
            self.make_room(2 * MAX_HEADER + piece.len());
            wire::data_header(piece.len(), &mut self.buffer);
            self.buffer.extend_from_slice(&piece);
        }
        None
    }

    /// Ends the message: `END` with the trailers that `keep` lets through, then FIN. Not cancel-safe.
    ///
    /// # Errors
    /// [`WriteError`]. Trailers over their limits are left out: they are optional by RFC 9110 §6.5.1.
    pub async fn end(
        &mut self,
        trailers: Option<&HeaderMap>,
        keep: impl Fn(&HeaderName) -> bool,
    ) -> Result<(), WriteError> {
        let written = trailers.map(|trailers| wire::end_with_trailers(trailers, keep, &mut self.buffer));
        if !matches!(written, Some(Ok(()))) {
            wire::end(&mut self.buffer);
        }
        let chunk = self.buffer.split().freeze();
        self.send.write_last(&mut [chunk]).await
    }

    /// Writes raw bytes, after `UPGRADED`. Not cancel-safe.
    ///
    /// # Errors
    /// [`WriteError`]
    pub async fn raw(&mut self, bytes: Bytes) -> Result<(), WriteError> {
        self.flush().await?;
        self.send.write(&mut [bytes]).await
    }

    /// Ends raw bytes with a FIN.
    ///
    /// # Errors
    /// [`WriteError`]
    pub fn finish_raw(&mut self) -> Result<(), WriteError> {
        self.send.finish()
    }

    /// Ends the stream without `END`: the peer gets all that was written, in order, and then knows that the message is
    /// not whole. A reset would overtake what is still on its way. Not cancel-safe.
    ///
    /// # Errors
    /// [`WriteError`]
    pub async fn break_off(&mut self) -> Result<(), WriteError> {
        self.flush().await?;
        self.send.finish()
    }

    /// Gives the message up.
    pub fn reset(&mut self, code: StreamCode) {
        self.send.reset(code);
    }

    /// As [`SendStream::stopped`].
    pub fn stopped(&self) -> impl Future<Output = Option<StreamCode>> + Send + Sync + 'static {
        self.send.stopped()
    }
}
