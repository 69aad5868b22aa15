//! The caller's body on its way to the local server.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use gantz_shared::fields::{InvalidLength, content_length};
use gantz_transport::{BodyError, FrameReader, MessageBody};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::calls::Tally;

/// A request's body as it comes out of the tunnel.
#[derive(Debug)]
pub enum RequestBody {
    /// There is none.
    Empty,
    /// All of it is here.
    Whole(Option<Bytes>),
    /// What the stream still brings.
    Streaming {
        /// The stream, behind its head.
        body: Box<MessageBody>,
        /// Counts the pieces, for whoever wants to know whether the caller still sends.
        progress: Progress,
        /// Is told every piece, for the log of calls.
        tally: Tally,
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

impl RequestBody {
    /// The body behind a head with these fields; `tally` is told what comes.
    pub(crate) fn streaming(reader: FrameReader, fields: &HeaderMap, tally: Tally) -> Result<Self, InvalidLength> {
        let body = MessageBody::new(reader, content_length(fields)?);
        Ok(Self::Streaming { body: Box::new(body), progress: Progress::default(), tally })
    }

    /// A body that is here already.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole((!bytes.is_empty()).then_some(bytes))
    }

    /// What counts this body's pieces; `None` where nothing is waited for.
    pub(super) fn progress(&self) -> Option<Progress> {
        match self {
            Self::Empty | Self::Whole(_) => None,
            Self::Streaming { progress, .. } => Some(progress.clone()),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Streaming { body, progress, tally } => {
                let frame = body.poll_frame(cx);
                if let Poll::Ready(frame) = &frame {
                    progress.0.fetch_add(1, Ordering::Relaxed);
                    if let Some(Ok(frame)) = frame
                        && let Some(piece) = frame.data_ref()
                    {
                        tally.body(piece);
                    }
                }
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Whole(None) => true,
            Self::Whole(Some(_)) => false,
            Self::Streaming { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Whole(None) => SizeHint::with_exact(0),
            Self::Whole(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streaming { body, .. } => body.size_hint(),
        }
    }
}
