//! A caller's body that is read over to its end when nobody needs it.
//!
//! Most clients send all of a body before they look for an answer: were an HTTP/1 connection closed while bytes still
//! come in, the system would reset it, and the reset would overtake the answer that says why (RFC 9112 §9.6).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use gantz_shared::fields::expects_continue;
use http::Version;
use http::request::Parts;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio_util::task::TaskTracker;

use crate::config::{LINGER, LINGER_BYTES};
use crate::metrics::{Direction, Metrics};

/// See the module's head.
pub(super) struct Lingering<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    body: Option<B>,
    tasks: Option<TaskTracker>,
    metrics: Arc<Metrics>,
}

impl<B> Lingering<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    /// HTTP/2 ends streams one by one, and a caller that waits for a 100 has sent nothing yet: those need no `tasks`.
    pub(super) fn new(body: B, parts: &Parts, tasks: &TaskTracker, metrics: Arc<Metrics>) -> Self {
        let lingers = parts.version < Version::HTTP_2 && !body.is_end_stream() && !expects_continue(&parts.headers);
        Self { body: Some(body), tasks: lingers.then(|| tasks.clone()), metrics }
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
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.metrics.body_bytes.of(Direction::In).inc_by(bytes as u64);
            }
            _ => self.body = None,
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
            tasks.spawn_on(read_over(body, LINGER), &runtime);
        }
    }
}

/// Ends with the body, with its connection, after `longest`, or with [`LINGER_BYTES`].
pub(super) async fn read_over<B: Body<Data = Bytes> + Unpin>(mut body: B, longest: Duration) {
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
    // Whether it was all makes no difference: the connection is closed, or the stream reset, if not.
    let _ = tokio::time::timeout(longest, reading).await;
}
