//! The caller's body on its way to the agent.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use gantz_shared::fields::{Nominated, expects_continue, is_hop_by_hop};
use gantz_shared::reset::StreamCode;
use gantz_transport::{FrameWriter, WriteError};
use http::request::Parts;
use http::{HeaderMap, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// How an upload ended before its end.
#[derive(Debug)]
pub(super) enum UploadError {
    /// The body is over the limit.
    TooLarge,
    /// The caller broke off, or sent a body that is not HTTP.
    Caller,
    /// The tunnel broke.
    Tunnel,
}

/// What an answer that streams keeps of the caller's body; given up when the answer is over.
#[derive(Debug)]
pub(super) enum Rest {
    /// It still goes on.
    Going { _upload: AbortOnDropHandle<Result<(), UploadError>> },
    /// It was never asked for. Giving it up before the answer is over would break the local call, and the answer too.
    Unasked { _writer: Box<FrameWriter> },
}

/// How long, and for how many bytes, a body that nobody needs is read over.
const LINGER: Duration = Duration::from_secs(10);
/// See [`LINGER`].
const LINGER_BYTES: u64 = 64 << 20;

/// A caller's body that is read over to its end when nobody needs it. Most clients send all of a body before they look
/// for an answer: were an HTTP/1 connection closed while bytes still come in, the system would reset it, and the reset
/// would overtake the answer that says why (RFC 9112 §9.6).
pub(super) struct Lingering<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    body: Option<B>,
    tasks: Option<TaskTracker>,
}

impl<B> Lingering<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    /// HTTP/2 ends streams one by one, and a caller that waits for a 100 has sent nothing yet: those need no `tasks`.
    pub(super) fn new(body: B, parts: &Parts, tasks: &TaskTracker) -> Self {
        let lingers = parts.version < Version::HTTP_2 && !body.is_end_stream() && !expects_continue(&parts.headers);
        Self { body: Some(body), tasks: lingers.then(|| tasks.clone()) }
    }
}

impl<B> Body for Lingering<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> Drop for Lingering<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    fn drop(&mut self) {
        if let (Some(body), Some(tasks)) = (self.body.take(), self.tasks.take())
            && !body.is_end_stream()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            tasks.spawn_on(read_over(body), &runtime);
        }
    }
}

/// Ends with the body, with its connection, or with one of the limits.
pub(super) async fn read_over<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let reading = async {
        let mut left = LINGER_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, |piece| piece.len() as u64);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // Whether it was all makes no difference: the connection is closed if not.
    let _ = tokio::time::timeout(LINGER, reading).await;
}

/// An upload that runs by being polled, wherever that is.
pub(super) type Upload = Pin<Box<dyn Future<Output = Result<(), UploadError>> + Send>>;

/// Sends `body`, of at most `limit` bytes, behind the `HEAD` that `writer` has gathered. Not cancel-safe: dropped, it
/// resets the stream.
pub(super) async fn upload<B>(mut body: B, mut writer: FrameWriter, limit: Option<u64>) -> Result<(), UploadError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut left = limit;
    let mut trailers: Option<HeaderMap> = None;
    writer.flush().await.or_else(|error| ended_early(&error))?;
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                tracing::debug!(%error, "caller's body broke off");
                writer.reset(StreamCode::BodyAborted);
                return Err(UploadError::Caller);
            }
        };
        let piece = match frame.into_data() {
            Ok(piece) => piece,
            Err(frame) => {
                trailers = Frame::into_trailers(frame).ok();
                continue;
            }
        };
        if let Some(left) = &mut left {
            match left.checked_sub(piece.len() as u64) {
                Some(rest) => *left = rest,
                None => {
                    writer.reset(StreamCode::BodyTooLarge);
                    return Err(UploadError::TooLarge);
                }
            }
        }
        // The last piece of a body leaves together with the end of the message.
        let piece = if body.is_end_stream() { writer.gather(piece) } else { Some(piece) };
        if let Some(piece) = piece
            && let Err(error) = writer.data(piece).await
        {
            return ended_early(&error);
        }
    }
    let nominated = trailers.as_ref().map(Nominated::by).unwrap_or_default();
    let keep = |name: &http::HeaderName| !is_hop_by_hop(name) && !nominated.contains(name);
    writer.end(trailers.as_ref(), keep).await.or_else(|error| ended_early(&error))
}

/// An agent that needs no more of a body says so; the answer is on its way.
fn ended_early(error: &WriteError) -> Result<(), UploadError> {
    match error {
        WriteError::Stopped(StreamCode::NotNeeded) => Ok(()),
        error => {
            tracing::debug!(%error, "upload broke off");
            Err(UploadError::Tunnel)
        }
    }
}
