//! The caller's body on its way to the local server.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gantz_shared::fields::{InvalidLength, content_length};
use gantz_shared::wire::{Event, head};
use gantz_transport::{FrameReader, ReadError};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// A request's body as it comes out of the tunnel, every piece at once.
#[derive(Debug)]
pub enum RequestBody {
    /// There is none.
    Empty,
    /// What the stream still brings.
    Streaming {
        /// The stream, behind its head.
        reader: Box<FrameReader>,
        /// Bytes that are still to come, where the head declared them.
        left: Option<u64>,
        /// Nothing more comes.
        done: bool,
        /// Counts the pieces, for whoever wants to know whether the caller still sends.
        progress: Progress,
    },
}

/// How many pieces of a body have been taken.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// The count so far.
    #[must_use]
    pub fn pieces(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A body that broke off: the local server must not take the part for the whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The caller or the tunnel broke off.
    #[error(transparent)]
    Tunnel(#[from] ReadError),
    /// Not as long as declared.
    #[error("the body is not as long as Content-Length says")]
    Length,
}

impl RequestBody {
    /// The body behind a head with these fields.
    pub(crate) fn streaming(reader: FrameReader, fields: &HeaderMap) -> Result<Self, InvalidLength> {
        let left = content_length(fields)?;
        Ok(Self::Streaming { reader: Box::new(reader), left, done: false, progress: Progress::default() })
    }

    /// What counts this body's pieces; `None` where there is no body.
    pub(super) fn progress(&self) -> Option<Progress> {
        match self {
            Self::Empty => None,
            Self::Streaming { progress, .. } => Some(progress.clone()),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self::Streaming { reader, left, done, progress } = self.get_mut() else { return Poll::Ready(None) };
        if *done {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(reader.poll_event(cx)) {
            Ok(Some(Event::Data(piece))) => {
                progress.0.fetch_add(1, Ordering::Relaxed);
                if let Some(left) = left {
                    match left.checked_sub(piece.len() as u64) {
                        Some(rest) => *left = rest,
                        None => return Poll::Ready(Some(Err(BodyError::Length))),
                    }
                    if *left == 0 {
                        *done = read_to_fin(reader, cx);
                    }
                }
                Some(Ok(Frame::data(piece)))
            }
            Ok(Some(Event::End(trailers))) => {
                *done = true;
                if left.is_some_and(|left| left > 0) {
                    return Poll::Ready(Some(Err(BodyError::Length)));
                }
                read_to_fin(reader, cx);
                if trailers.is_empty() {
                    None
                } else {
                    Some(head::fields(trailers).map(Frame::trailers).map_err(|error| ReadError::from(error).into()))
                }
            }
            Ok(_) => {
                *done = true;
                None
            }
            Err(error) => {
                *done = true;
                Some(Err(error.into()))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty | Self::Streaming { done: true, .. })
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Streaming { done: true, .. } => SizeHint::with_exact(0),
            Self::Streaming { left, .. } => left.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// Reads `END` and FIN, which have mostly come with the last piece: a stream that is read to its end needs no stopping.
/// `true` when the message is over.
fn read_to_fin(reader: &mut FrameReader, cx: &mut Context<'_>) -> bool {
    while let Poll::Ready(event) = reader.poll_event(cx) {
        if !matches!(event, Ok(Some(Event::End(_)))) {
            break;
        }
    }
    reader.is_ended()
}
