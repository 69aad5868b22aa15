//! The bodies of the edge's answers: what comes out of a tunnel, and what the edge says itself.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gantz_shared::wire::{Event, head};
use gantz_transport::{FrameReader, ReadError};
use http::Version;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use super::keep_alive::KeepAlive;
use super::upload::Rest;

/// Any body of the edge.
pub(crate) enum EdgeBody {
    /// Nothing.
    Empty,
    /// What the edge says.
    Full(Option<Bytes>),
    /// What the relay says on its own name.
    Apex(UnsyncBoxBody<Bytes, axum::Error>),
    /// What comes out of a tunnel.
    Download(Download),
}

impl EdgeBody {
    pub(super) fn full(bytes: Bytes) -> Self {
        Self::Full(Some(bytes))
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
    Tunnel(#[from] ReadError),
    /// The body does not have the length that its head declared (RFC 9112 §6.3).
    #[error("the body is not as long as Content-Length says")]
    Length,
    /// The relay's own page.
    #[error(transparent)]
    Apex(#[from] axum::Error),
}

impl Body for EdgeBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Apex(body) => {
                Poll::Ready(ready!(Pin::new(body).poll_frame(cx)).map(|frame| frame.map_err(BodyError::from)))
            }
            Self::Download(download) => download.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Full(None) => true,
            Self::Full(Some(_)) => false,
            Self::Apex(body) => body.is_end_stream(),
            Self::Download(download) => download.done,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Full(None) => SizeHint::with_exact(0),
            Self::Full(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Self::Apex(body) => body.size_hint(),
            Self::Download(download) if download.done => SizeHint::with_exact(0),
            Self::Download(download) => download.left.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// An answer's body as it comes out of a tunnel, every piece at once. Dropped early, it cancels the request.
pub(crate) struct Download {
    reader: FrameReader,
    /// Bytes that are still to come, where the head declared them.
    left: Option<u64>,
    keep_alive: Option<KeepAlive>,
    /// The rest of the caller's body, which goes on or waits while the answer streams. Dropped with the answer.
    rest: Option<Rest>,
    done: bool,
}

impl Download {
    pub(super) fn new(reader: FrameReader, left: Option<u64>, keep_alive: Option<KeepAlive>) -> Self {
        Self { reader, left, keep_alive, rest: None, done: false }
    }

    /// Ties the rest of the caller's body to this answer.
    pub(super) fn with_rest(mut self, rest: Option<Rest>) -> Self {
        self.rest = rest;
        self
    }

    /// For an answer that has no body, whatever its fields say.
    pub(super) async fn without_body(mut self, version: Version) -> Self {
        // Reading to the end spares the tunnel a cancellation. The head was all of it: how it ends changes nothing.
        while let Ok(Some(_)) = self.reader.event().await {}
        // HTTP/2 has to end with the head, or a declared length would look broken (RFC 9113 §8.1.1). hyper's HTTP/1
        // strips that length from a 304 whose body says that it has ended.
        self.done = version == Version::HTTP_2;
        self
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let Poll::Ready(event) = self.reader.poll_event(cx) else {
            return match &mut self.keep_alive {
                Some(keep_alive) => keep_alive.poll_comment(cx).map(|comment| Some(Ok(Frame::data(comment)))),
                None => Poll::Pending,
            };
        };
        Poll::Ready(match event {
            Ok(Some(Event::Data(piece))) => Some(self.piece(cx, piece).map(Frame::data)),
            Ok(Some(Event::End(trailers))) => self.end(cx, trailers).transpose(),
            Ok(Some(_)) | Ok(None) => {
                self.done = true;
                None
            }
            Err(error) => {
                self.done = true;
                tracing::debug!(%error, "answer broke off");
                Some(Err(error.into()))
            }
        })
    }

    fn piece(&mut self, cx: &mut Context<'_>, piece: Bytes) -> Result<Bytes, BodyError> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(piece.len() as u64).ok_or(BodyError::Length)?;
            if *left == 0 {
                self.read_to_fin(cx);
            }
        }
        if let Some(keep_alive) = &mut self.keep_alive {
            keep_alive.observe(&piece);
        }
        Ok(piece)
    }

    /// hyper asks for nothing more once a declared length is reached. Reading `END` and FIN now, as they have mostly
    /// come already, spares the tunnel a cancellation of a request that is over.
    fn read_to_fin(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(event) = self.reader.poll_event(cx) {
            match event {
                Ok(Some(Event::End(_))) => {}
                _ => {
                    self.done = true;
                    return;
                }
            }
        }
        self.done = self.reader.is_ended();
    }

    fn end(&mut self, cx: &mut Context<'_>, trailers: Bytes) -> Result<Option<Frame<Bytes>>, BodyError> {
        if self.left.is_some_and(|left| left > 0) {
            self.done = true;
            return Err(BodyError::Length);
        }
        self.read_to_fin(cx);
        self.done = true;
        if trailers.is_empty() {
            return Ok(None);
        }
        Ok(Some(Frame::trailers(head::fields(trailers).map_err(ReadError::from)?)))
    }
}
