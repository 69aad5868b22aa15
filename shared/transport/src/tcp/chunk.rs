//! What is on its way into the socket: counted, so that a connection keeps no more of it than it may, and so that a
//! stream knows when all has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Wake;

use bytes::{Buf, Bytes};
use tokio::sync::OwnedSemaphorePermit;

use super::fan::Fan;

/// What of one stream is on its way.
#[derive(Debug, Default)]
pub(super) struct Flow {
    chunks: AtomicUsize,
    is_finished: AtomicBool,
    /// Wakes who waits on the sending half.
    pub(super) fan: Arc<Fan>,
}

impl Flow {
    /// The end is among what is on its way.
    pub(super) fn finish(&self) {
        self.is_finished.store(true, Ordering::Release);
    }

    /// Whether all has left, or was thrown away with the stream.
    pub(super) fn has_left(&self) -> bool {
        self.is_finished.load(Ordering::Acquire) && self.chunks.load(Ordering::Acquire) == 0
    }
}

/// A piece of a stream. h2 drops it when it is written.
#[derive(Debug)]
pub(super) struct Chunk {
    bytes: Bytes,
    flow: Arc<Flow>,
    /// Among the bytes that the connection keeps; none for the end of a stream.
    _place: Option<OwnedSemaphorePermit>,
}

impl Chunk {
    pub(super) fn new(bytes: Bytes, flow: Arc<Flow>, place: Option<OwnedSemaphorePermit>) -> Self {
        flow.chunks.fetch_add(1, Ordering::AcqRel);
        Self { bytes, flow, _place: place }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if self.flow.chunks.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.flow.fan.wake_by_ref();
        }
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}
