//! The sending half of a stream of h2's, and what both halves share.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use gantz_shared::reset::StreamCode;

use super::SEND_BUFFER;
use super::chunk::{Chunk, Flow};
use super::codes;
use super::state::Alive;
use crate::stream::WriteError;

/// A stream, as both of its halves know it. When both are gone h2 resets what has not ended: an agent that has
/// answered without NO_ERROR (RFC 9113 §8.1), others with CANCEL.
#[derive(Debug)]
pub(super) struct Stream {
    send: Mutex<h2::SendStream<Chunk>>,
    flow: Arc<Flow>,
    pub(super) alive: Arc<Alive>,
}

impl Stream {
    fn send(&self) -> MutexGuard<'_, h2::SendStream<Chunk>> {
        self.send.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends both halves at once; of an ended stream nothing more is said.
    pub(super) fn reset(&self, code: StreamCode) {
        self.send().send_reset(codes::reason(code));
    }

    fn poll_reset(&self, cx: &Context<'_>) -> Poll<Result<StreamCode, h2::Error>> {
        let waker = self.flow.fan.join(cx);
        self.send().poll_reset(&mut Context::from_waker(&waker)).map_ok(codes::stream_code)
    }

    /// Bytes that may be written now, at most `wanted`. `None`: nothing any more.
    fn poll_room(&self, wanted: usize, cx: &Context<'_>) -> Poll<Option<usize>> {
        let waker = self.flow.fan.join(cx);
        let mut send = self.send();
        send.reserve_capacity(wanted);
        // What was granted before is not told a second time.
        match (send.capacity(), send.poll_capacity(&mut Context::from_waker(&waker))) {
            (_, Poll::Ready(None | Some(Err(_)))) => Poll::Ready(None),
            (room @ 1.., _) | (_, Poll::Ready(Some(Ok(room)))) => Poll::Ready(Some(room.min(wanted))),
            (0, Poll::Pending) => Poll::Pending,
        }
    }

    /// Why nothing can be written, unless it is because the connection is lost: the driver is about to say that.
    async fn why(&self) -> WriteError {
        poll_fn(|cx| match self.poll_reset(cx) {
            Poll::Ready(Ok(code)) => Poll::Ready(WriteError::Stopped(code)),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// With the last byte of them the half `ends`, if there is one.
    async fn write(&self, chunks: &mut [Bytes], ends: bool) -> Result<(), WriteError> {
        let mut left: usize = chunks.iter().map(Bytes::len).sum();
        for chunk in chunks {
            while !chunk.is_empty() {
                // The peer's leave comes first: who waits for it takes nobody's place.
                let wanted = chunk.len().min(SEND_BUFFER);
                let Some(room) = poll_fn(|cx| self.poll_room(wanted, cx)).await else {
                    return Err(self.why().await);
                };
                let place = self.alive.0.room.clone().acquire_many_owned(u32::try_from(room).unwrap_or(u32::MAX)).await;
                let piece = Chunk::new(chunk.split_to(room), self.flow.clone(), place.ok());
                left -= room;
                let is_last = ends && left == 0;
                if is_last {
                    self.flow.finish();
                }
                let sent = self.send().send_data(piece, is_last);
                if sent.is_err() {
                    return Err(self.why().await);
                }
            }
        }
        Ok(())
    }
}

/// See [`crate::SendStream`], whose functions these are.
#[derive(Debug)]
pub(crate) struct SendHalf(Arc<Stream>);

impl SendHalf {
    pub(super) fn new(send: h2::SendStream<Chunk>, alive: Arc<Alive>) -> Self {
        Self(Arc::new(Stream { send: Mutex::new(send), flow: Arc::default(), alive }))
    }

    pub(super) fn stream(&self) -> Arc<Stream> {
        self.0.clone()
    }

    pub(crate) async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), WriteError> {
        tokio::select! {
            biased;
            lost = self.0.alive.0.closed() => Err(lost.into()),
            written = self.0.write(chunks, false) => written,
        }
    }

    /// Writes, and ends with that: one frame less, behind which a peer that has all it needs would reset the stream.
    pub(crate) async fn write_last(&mut self, chunks: &mut [Bytes]) -> Result<(), WriteError> {
        if chunks.iter().all(Bytes::is_empty) {
            self.finish();
            return Ok(());
        }
        tokio::select! {
            biased;
            lost = self.0.alive.0.closed() => Err(lost.into()),
            written = self.0.write(chunks, true) => written,
        }
    }

    pub(crate) fn finish(&mut self) {
        let end = Chunk::new(Bytes::new(), self.0.flow.clone(), None);
        self.0.flow.finish();
        // The only error is that the peer has reset the stream, or the connection is lost: `stopped` says so.
        let _ = self.0.send().send_data(end, true);
    }

    pub(crate) fn reset(&mut self, code: StreamCode) {
        self.0.reset(code);
    }

    pub(crate) fn stopped(&self) -> impl Future<Output = Option<StreamCode>> + Send + Sync + 'static {
        let stream = self.0.clone();
        let mut lost = Box::pin(stream.alive.0.closed());
        poll_fn(move |cx| {
            let reset = stream.poll_reset(cx);
            if lost.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Some(StreamCode::Dropped));
            }
            match reset {
                Poll::Ready(Ok(code)) => Poll::Ready(Some(code)),
                _ if stream.flow.has_left() => Poll::Ready(None),
                // The driver is about to say how the connection ended.
                Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
            }
        })
    }
}
