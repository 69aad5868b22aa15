//! A request's body on its way from the caller.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

use crate::edge::clock::later;

/// A caller's body. Its flow-control credit comes back as it is taken, so that the window bounds what is held.
pub(super) struct RequestBody {
    /// There until it is dropped.
    stream: Option<RecvStream>,
    /// Where it goes when nobody reads on.
    unread: Option<oneshot::Sender<RequestBody>>,
    deadline: Duration,
    /// The answer has begun: nobody waits for the rest of this.
    answered: Arc<AtomicBool>,
    /// Runs out at the deadline, when it was waited for.
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl RequestBody {
    /// `stream` may be silent for `deadline`. What of it nobody reads goes to `unread`.
    pub(super) fn new(stream: RecvStream, unread: Option<oneshot::Sender<RequestBody>>, deadline: Duration) -> Self {
        Self { stream: Some(stream), unread, deadline, answered: Arc::default(), timer: None, is_waiting: false }
    }

    /// To be set when the answer has begun.
    pub(super) fn answered(&self) -> Arc<AtomicBool> {
        self.answered.clone()
    }

    /// Nothing has come. Ready when it is too late for it.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.answered.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.deadline)));
        if !std::mem::replace(&mut self.is_waiting, true) {
            timer.as_mut().reset(later(self.deadline));
        }
        timer.as_mut().poll(cx)
    }
}

/// How a caller's body broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error(transparent)]
    Http2(#[from] h2::Error),
    #[error("the body stopped coming")]
    Late,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        let piece = match stream.poll_data(cx) {
            Poll::Pending => {
                ready!(self.poll_late(cx));
                return Poll::Ready(Some(Err(BodyError::Late)));
            }
            Poll::Ready(piece) => piece,
        };
        self.is_waiting = false;
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        if let Some(piece) = piece {
            return Poll::Ready(Some(piece.map_err(BodyError::from).and_then(|piece| {
                stream.flow_control().release_capacity(piece.len())?;
                Ok(Frame::data(piece))
            })));
        }
        let trailers = ready!(stream.poll_trailers(cx));
        Poll::Ready(trailers?.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.as_ref().is_none_or(RecvStream::is_end_stream)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let (Some(stream), Some(unread)) = (self.stream.take(), self.unread.take()) {
            // Nobody takes it when the stream is over.
            let _ = unread.send(Self::new(stream, None, self.deadline));
        }
    }
}
