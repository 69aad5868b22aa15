//! The bodies of the edge's answers: what comes out of a tunnel, and what the edge says itself.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gantz_transport::MessageBody;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::keep_alive::KeepAlive;
use super::upload::Rest;
use crate::metrics::{Direction, Metrics};
use crate::tunnels::{Token, Unread};

/// Any body of the edge.
pub(crate) enum EdgeBody {
    /// Nothing.
    Empty,
    /// Nothing, and then another protocol.
    Upgraded(Arc<Unread>),
    /// What the edge says.
    Full(Option<Bytes>),
    /// What the relay says on its own name.
    Apex(UnsyncBoxBody<Bytes, axum::Error>),
    /// What comes out of a tunnel. Boxed: hyper moves bodies about, and the others are small.
    Download(Box<Download>),
}

impl EdgeBody {
    pub(super) fn full(bytes: Bytes) -> Self {
        Self::Full(Some(bytes))
    }

    /// The same body, which breaks off when `token` dies, and counts as one of `unread` when it is not read.
    pub(super) fn answers(mut self, token: Option<Arc<Token>>, unread: Arc<Unread>) -> Self {
        if let Self::Download(download) = &mut self {
            download.token = token;
            download.unread = Some(unread);
        }
        self
    }

    /// Where it is counted when it is not read; none where it takes up no tunnel's window.
    pub(super) fn unread(&self) -> Option<&Arc<Unread>> {
        match self {
            Self::Empty | Self::Full(_) | Self::Apex(_) => None,
            Self::Upgraded(unread) => Some(unread),
            Self::Download(download) => download.unread.as_ref(),
        }
    }

    /// Whether somebody behind a tunnel has answered.
    pub(super) fn is_upstreams(&self) -> bool {
        matches!(self, Self::Upgraded(_) | Self::Download(_))
    }

    pub(super) fn apex(body: axum::body::Body) -> Self {
        Self::Apex(body.boxed_unsync())
    }
}

/// A body that broke off. The connection (HTTP/1) or stream (HTTP/2) is then reset, so that nobody takes the part for
/// the whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The tunnel or the local server broke off.
    #[error(transparent)]
    Tunnel(#[from] gantz_transport::BodyError),
    /// The token that opened it was revoked, or has died.
    #[error("its token is dead")]
    Dead,
    /// The relay's own page.
    #[error(transparent)]
    Apex(#[from] axum::Error),
}

impl Body for EdgeBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty | Self::Upgraded(_) => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Apex(body) => {
                Poll::Ready(ready!(Pin::new(body).poll_frame(cx)).map(|frame| frame.map_err(BodyError::from)))
            }
            Self::Download(download) => download.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Upgraded(_) | Self::Full(None) => true,
            Self::Full(Some(_)) => false,
            Self::Apex(body) => body.is_end_stream(),
            Self::Download(download) => download.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Upgraded(_) | Self::Full(None) => SizeHint::with_exact(0),
            Self::Full(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Self::Apex(body) => body.size_hint(),
            Self::Download(download) if download.broken.is_some() => SizeHint::default(),
            Self::Download(download) => download.body.size_hint(),
        }
    }
}

/// An answer's body as it comes out of a tunnel. Dropped early, it cancels the request.
pub(crate) struct Download {
    body: MessageBody,
    keep_alive: Option<KeepAlive>,
    /// The rest of the caller's body, which goes on or waits while the answer streams. Dropped with the answer.
    rest: Option<Rest>,
    /// What opened it.
    token: Option<Arc<Token>>,
    unread: Option<Arc<Unread>>,
    metrics: Arc<Metrics>,
    /// Among the requests in flight.
    _place: OwnedSemaphorePermit,
    /// Waits for the token's death; made only when there is something to wait for.
    dying: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// How it broke off, while what came before is still being written.
    broken: Option<Box<BodyError>>,
}

impl Download {
    /// `rest` is tied to this answer.
    pub(super) fn new(
        body: MessageBody,
        keep_alive: Option<KeepAlive>,
        rest: Option<Rest>,
        place: OwnedSemaphorePermit,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { body, keep_alive, rest, token: None, unread: None, metrics, _place: place, dying: None, broken: None }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && self.broken.is_none()
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(*error)));
        }
        if let Some(Rest::Waiting(_)) = &self.rest {
            self.rest = self.rest.take().map(Rest::begin);
        }
        if self.token.as_ref().is_some_and(|token| token.dead().is_cancelled()) {
            return Poll::Ready(Some(Err(BodyError::Dead)));
        }
        let Poll::Ready(frame) = self.body.poll_frame(cx) else {
            if let Some(token) = &self.token {
                let dying = self.dying.get_or_insert_with(|| Box::pin(token.dead().clone().cancelled_owned()));
                if dying.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Some(Err(BodyError::Dead)));
                }
            }
            return match &mut self.keep_alive {
                Some(keep_alive) => keep_alive.poll_comment(cx).map(|comment| Some(Ok(Frame::data(comment)))),
                None => Poll::Pending,
            };
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                if let Some(piece) = frame.data_ref() {
                    self.metrics.body_bytes.of(Direction::Out).inc_by(piece.len() as u64);
                    if let Some(keep_alive) = &mut self.keep_alive {
                        keep_alive.observe(piece);
                    }
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "answer broke off");
                // Both HTTP/1 and HTTP/2 drop what they have not written when they hear of an error.
                self.broken = Some(Box::new(error.into()));
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => None,
        })
    }
}
