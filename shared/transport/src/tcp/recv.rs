//! The receiving half of a stream of h2's.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gantz_shared::reset::StreamCode;
use h2::client::ResponseFuture;

use super::codes;
use super::send::Stream;
use crate::Lost;
use crate::stream::StreamLost;

/// What comes on a stream.
#[derive(Debug)]
pub(super) enum Incoming {
    /// At the relay, until the agent has taken the stream.
    Awaited(ResponseFuture),
    /// Its bytes.
    Open(h2::RecvStream),
    /// Nothing more is wanted: h2 lets come what the window allows, and throws it away.
    Over,
}

/// See [`crate::RecvStream`], whose functions these are.
pub(crate) struct RecvHalf {
    incoming: Incoming,
    stream: Arc<Stream>,
    /// The connection's end, until it has come.
    lost: Pin<Box<dyn Future<Output = Lost> + Send + Sync>>,
}

impl std::fmt::Debug for RecvHalf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecvHalf").field("incoming", &self.incoming).finish_non_exhaustive()
    }
}

impl RecvHalf {
    pub(super) fn new(incoming: Incoming, stream: Arc<Stream>) -> Self {
        let lost = Box::pin(stream.alive.0.closed());
        Self { incoming, stream, lost }
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamLost>> {
        match self.poll_bytes(cx) {
            Poll::Ready(Ok(read)) => return Poll::Ready(Ok(read)),
            Poll::Ready(Err(error)) => {
                if let Some(reason) = error.reason().filter(|_| error.is_reset()) {
                    // h2 resets a stream by itself when the peer has broken the rules on it.
                    let code = if error.is_library() { StreamCode::Protocol } else { codes::stream_code(reason) };
                    return Poll::Ready(Err(StreamLost::Reset(code)));
                }
                // The driver is about to say how the connection ended.
            }
            Poll::Pending => {}
        }
        // What had come before the end has been read.
        match self.stream.alive.0.lost() {
            Some(lost) => Poll::Ready(Err(lost.into())),
            None => self.lost.as_mut().poll(cx).map(|lost| Err(lost.into())),
        }
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, h2::Error>> {
        loop {
            match &mut self.incoming {
                Incoming::Awaited(response) => {
                    self.incoming = Incoming::Open(ready!(Pin::new(response).poll(cx))?.into_body());
                }
                Incoming::Open(recv) => match ready!(recv.poll_data(cx)?) {
                    Some(bytes) => {
                        recv.flow_control().release_capacity(bytes.len())?;
                        if !bytes.is_empty() {
                            return Poll::Ready(Ok(Some(bytes)));
                        }
                    }
                    None => return Poll::Ready(Ok(None)),
                },
                Incoming::Over => return Poll::Ready(Ok(None)),
            }
        }
    }

    pub(crate) fn stop(&mut self, code: StreamCode) {
        self.incoming = Incoming::Over;
        if code != StreamCode::NotNeeded {
            self.stream.reset(code);
        }
    }
}
