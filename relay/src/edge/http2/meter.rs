//! What a caller's frames cost beside what they bring. Every frame is work for the edge; those that carry nothing (PING,
//! SETTINGS, PRIORITY, window updates of a byte, …) cost the caller less than they cost the edge, and h2 takes any number
//! of them (CVE-2019-9512, -9513, -9515, -9518).

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::{H2_IDLE_FRAMES, H2_IDLE_FRAMES_A_SECOND};

/// Length of the client's preface (RFC 9113 §3.4).
const PREFACE: usize = 24;

/// Length of a frame's header (RFC 9113 §4.1), and of one with all of a WINDOW_UPDATE (§6.9).
const FRAME_HEADER: usize = 9;
const WHOLE_UPDATE: usize = FRAME_HEADER + 4;
const WINDOW_UPDATE: u8 = 8;

/// The beginning of a frame, as far as it has come.
#[derive(Debug, Default)]
struct Header {
    bytes: [u8; WHOLE_UPDATE],
    have: usize,
}

impl Header {
    /// Takes one byte more; `true` when it is all there.
    fn push(&mut self, byte: u8) -> bool {
        if let Some(place) = self.bytes.get_mut(self.have) {
            *place = byte;
        }
        self.have += 1;
        self.have == WHOLE_UPDATE || self.have == FRAME_HEADER && !self.is_update()
    }

    fn is_update(&self) -> bool {
        self.kind() == WINDOW_UPDATE && self.length() == WHOLE_UPDATE - FRAME_HEADER
    }

    fn length(&self) -> usize {
        let [high, middle, low, ..] = self.bytes;
        u32::from_be_bytes([0, high, middle, low]) as usize
    }

    fn kind(&self) -> u8 {
        self.bytes[3]
    }

    fn flags(&self) -> u8 {
        self.bytes[4]
    }

    /// Of a WINDOW_UPDATE; what is none gives nothing back.
    fn increment(&self) -> u32 {
        let [.., a, b, c, d] = self.bytes;
        if self.is_update() { u32::from_be_bytes([a & 0x7f, b, c, d]) } else { 0 }
    }

    /// What of the frame is still to come.
    fn rest(&self) -> usize {
        (FRAME_HEADER + self.length()).saturating_sub(self.have)
    }
}

/// What a request allows: its window updates, priorities, and a ping or two.
const A_REQUEST: i64 = 8;

/// What a reset costs: it ends work that has been begun, and costs more than its request has allowed.
const A_RESET: i64 = 12;

/// What a piece of an answer allows at most, and how many of its bytes allow one frame: callers that give windows back
/// piece by piece send two window updates for each.
const A_PIECE: i64 = 4;
const BYTES_A_FRAME: i64 = 16;

/// The least that a window update which costs nothing gives back, bytes. Callers give back what they have read, and may
/// do so long after it was sent; a window has an end (RFC 9113 §6.9.1), and so have updates of this size.
const A_WINDOW_UPDATE: u32 = 256;

/// What can be saved up: a caller may read, and so give back, all at once what was sent piece by piece.
const MAX_SAVED: i64 = 100_000;

/// Frames that a connection may still send for nothing.
#[derive(Debug)]
pub(super) struct Meter {
    left: AtomicI64,
    filled: Mutex<Instant>,
    used_up: CancellationToken,
    opened: Instant,
    /// When the caller's system last took something that it had no room for before, microseconds after `opened`.
    taken: AtomicU64,
}

impl Meter {
    fn new() -> Self {
        let opened = Instant::now();
        Self {
            left: AtomicI64::new(H2_IDLE_FRAMES.into()),
            filled: Mutex::new(opened),
            used_up: CancellationToken::new(),
            opened,
            taken: AtomicU64::new(0),
        }
    }

    /// Waits until the caller has sent one frame too many. Cancel-safe.
    pub(super) async fn used_up(&self) {
        self.used_up.cancelled().await;
    }

    /// When the caller's system last took something that it had no room for before: the caller is slow, and reads.
    pub(super) fn taken(&self) -> Instant {
        self.opened + Duration::from_micros(self.taken.load(Ordering::Relaxed))
    }

    /// A piece of an answer has left.
    pub(super) fn sent(&self, length: usize) {
        self.allow(A_PIECE.min(i64::try_from(length).unwrap_or(i64::MAX) / BYTES_A_FRAME));
    }

    fn allow(&self, frames: i64) {
        // What was saved up is bounded, like everything.
        if self.left.fetch_add(frames, Ordering::Relaxed) > MAX_SAVED {
            self.left.store(MAX_SAVED, Ordering::Relaxed);
        }
    }

    /// `false` when it was one too many.
    fn take(&self, frames: i64) -> bool {
        if self.left.fetch_sub(frames, Ordering::Relaxed) >= frames {
            return true;
        }
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let millis = i64::try_from((now - *filled).as_millis()).unwrap_or(i64::MAX);
        *filled = now;
        let refill = millis.saturating_mul(H2_IDLE_FRAMES_A_SECOND.into()) / 1000;
        self.allow(refill.min(H2_IDLE_FRAMES.into()));
        self.left.load(Ordering::Relaxed) >= 0
    }

    fn count(&self, frame: &Header) -> bool {
        const END_STREAM: u8 = 1;
        match frame.kind() {
            // DATA that carries something, or ends something.
            0 if frame.length() > 0 || frame.flags() & END_STREAM != 0 => true,
            // HEADERS
            1 => {
                self.allow(A_REQUEST);
                true
            }
            // RST_STREAM
            3 => self.take(A_RESET),
            WINDOW_UPDATE if frame.increment() >= A_WINDOW_UPDATE => true,
            _ => self.take(1),
        }
    }
}

/// The caller's connection, read along.
#[derive(Debug)]
pub(super) struct Metered<T> {
    inner: T,
    meter: Arc<Meter>,
    /// Bytes up to the next frame's header.
    skip: usize,
    header: Header,
    /// The caller's system has no room.
    is_full: bool,
}

impl<T> Metered<T> {
    pub(super) fn new(inner: T) -> (Self, Arc<Meter>) {
        let meter = Arc::new(Meter::new());
        let metered = Self { inner, meter: meter.clone(), skip: PREFACE, header: Header::default(), is_full: false };
        (metered, meter)
    }

    fn wrote(&mut self, written: &Poll<io::Result<usize>>) {
        let was_full = std::mem::replace(&mut self.is_full, written.is_pending());
        if was_full && !self.is_full {
            let micros = u64::try_from(self.meter.opened.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.meter.taken.store(micros, Ordering::Relaxed);
        }
    }

    /// `false` when there were too many frames for nothing.
    fn follow(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let Some((&byte, rest)) = bytes.split_first() else { return true };
            bytes = rest;
            if self.header.push(byte) {
                let frame = std::mem::take(&mut self.header);
                self.skip = frame.rest();
                if !self.meter.count(&frame) {
                    return false;
                }
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.meter.used_up.is_cancelled() {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if !self.follow(buf.filled().get(before..).unwrap_or_default()) {
            // Not another byte is read; whoever serves the connection says why, and ends it.
            self.meter.used_up.cancel();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// How many of `bytes`, said over and over in pieces of `step`, are let through.
    fn taken(bytes: &[u8], step: usize) -> usize {
        let (mut metered, _) = Metered::new(());
        assert!(metered.follow(&[0; PREFACE]));
        (0..5_000).take_while(|_| bytes.chunks(step).all(|piece| metered.follow(piece))).count()
    }

    #[test]
    fn frames_that_carry_nothing_are_counted_however_they_are_cut() {
        let ping = frame(6, 0, &[0; 8]);
        for step in [1, 5, 17] {
            let taken = taken(&ping, step);
            assert!((1_000..1_100).contains(&taken), "{taken}");
        }
        assert!(taken(&frame(0, 0, &[]), 9) < 1_100, "DATA without a byte");
        let cancelled = [frame(1, 5, b"head"), frame(3, 0, &[0; 4])].concat();
        assert!(taken(&cancelled, 13) < 300, "requests that are reset at once");
    }

    #[test]
    fn requests_and_bodies_are_not() {
        assert_eq!(taken(&frame(1, 5, b"head"), 100), 5_000);
        assert_eq!(taken(&frame(0, 0, b"data"), 100), 5_000);
        assert_eq!(taken(&frame(8, 0, &4096_u32.to_be_bytes()), 5), 5_000, "what was read is given back");
        assert!(taken(&frame(8, 0, &1_u32.to_be_bytes()), 5) < 1_100, "byte by byte");
        let polite = [frame(1, 5, b"head"), frame(6, 0, &[0; 8]), frame(8, 0, &[0; 4])].concat();
        assert_eq!(taken(&polite, 100), 5_000);
    }
}
