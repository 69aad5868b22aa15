//! The caller's body on its way to the agent.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::FutureExt;
use gantz_shared::fields::{Nominated, may_trail};
use gantz_shared::reset::StreamCode;
use gantz_transport::{FrameWriter, WriteError};
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio_util::task::AbortOnDropHandle;

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
pub(super) enum Rest {
    /// It still goes on.
    Going { _upload: AbortOnDropHandle<Result<(), UploadError>> },
    /// It begins when the answer's head has gone: the caller was not told to go on, and reading before would tell it.
    Waiting(Upload),
}

impl Rest {
    /// The answer's head has gone.
    pub(super) fn begin(self) -> Self {
        match self {
            Self::Waiting(upload) => Self::Going { _upload: AbortOnDropHandle::new(tokio::spawn(upload)) },
            going @ Self::Going { .. } => going,
        }
    }
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
    loop {
        // What is there leaves together with the head; when nothing is, the head does not wait for it.
        let frame = match soon(&mut body).await {
            Some(frame) => frame,
            None => {
                if let Err(error) = writer.flush().await {
                    return ended_early(&error);
                }
                body.frame().await
            }
        };
        let Some(frame) = frame else { break };
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
    let keep = |name: &http::HeaderName| may_trail(name) && !nominated.contains(name);
    writer.end(trailers.as_ref(), keep).await.or_else(|error| ended_early(&error))
}

/// The next frame, if it is there. hyper begins to read a body only when it is asked for it: a small one, which has
/// mostly come with its head, is there by the next turn.
async fn soon<B>(body: &mut B) -> Option<Option<Result<Frame<Bytes>, B::Error>>>
where
    B: Body<Data = Bytes> + Unpin,
{
    if let Some(frame) = body.frame().now_or_never() {
        return Some(frame);
    }
    tokio::task::yield_now().await;
    body.frame().now_or_never()
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
