//! What a caller's frames cost beside what they bring. Every frame is work for the edge; those that carry nothing (PING,
//! SETTINGS, PRIORITY, window updates of a byte, …) cost the caller less than they cost the edge, and h2 takes any number
//! of them (CVE-2019-9512, -9513, -9515, -9518). And how long the head of a request takes: until it is whole no other
//! frame can come (RFC 9113 §4.3), and h2 waits for it for ever.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use gantz_shared::rate::Rate;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::frame::{HEADERS, Header, WINDOW_UPDATE};

/// Length of the client's preface (RFC 9113 §3.4).
const PREFACE: usize = 24;

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
    rate: Rate,
    filled: Mutex<Instant>,
    /// Not another byte is read.
    over: CancellationToken,
    why: OnceLock<&'static str>,
    opened: Instant,
    /// When the caller's system last took something that it had no room for before, microseconds after `opened`.
    taken: AtomicU64,
}

impl Meter {
    fn new(rate: Rate) -> Self {
        let opened = Instant::now();
        Self {
            left: AtomicI64::new(rate.burst().get().into()),
            rate,
            filled: Mutex::new(opened),
            over: CancellationToken::new(),
            why: OnceLock::new(),
            opened,
            taken: AtomicU64::new(0),
        }
    }

    /// Waits until the caller has sent one frame too many, or a head too slowly, and says which. Cancel-safe.
    pub(super) async fn over(&self) -> &'static str {
        self.over.cancelled().await;
        self.why.get().copied().unwrap_or_default()
    }

    /// Whoever serves the connection says why, and ends it.
    fn end(&self, why: &'static str) {
        let _first = self.why.get_or_init(|| why);
        self.over.cancel();
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
        let (passed, interval) = ((now - *filled).as_nanos(), self.rate.interval().as_nanos());
        // What is left of an interval counts for the next frame.
        *filled = now - Duration::from_nanos(u64::try_from(passed % interval).unwrap_or_default());
        self.allow(i64::try_from(passed / interval).unwrap_or(i64::MAX).min(self.rate.burst().get().into()));
        self.left.load(Ordering::Relaxed) >= 0
    }

    fn count(&self, frame: &Header) -> bool {
        const END_STREAM: u8 = 1;
        match frame.kind() {
            // DATA that carries something, or ends something.
            0 if frame.length() > 0 || frame.flags() & END_STREAM != 0 => true,
            HEADERS => {
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
    head: Head,
    /// What a head may take, and when the one that has begun is to be whole.
    patience: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

/// How much of a head has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// All of it; or there is none.
    Whole,
    Begun,
    /// All but the rest of its last frame.
    Ending,
}

impl<T> Metered<T> {
    /// `idle_frames` is how many may bring nothing, `patience` how long a head may take.
    pub(super) fn new(inner: T, idle_frames: Rate, patience: Duration) -> (Self, Arc<Meter>) {
        let meter = Arc::new(Meter::new(idle_frames));
        let metered = Self {
            inner,
            meter: meter.clone(),
            skip: PREFACE,
            header: Header::default(),
            is_full: false,
            head: Head::Whole,
            patience,
            deadline: None,
        };
        (metered, meter)
    }

    /// Ends the connection when a head has taken too long. Wakes whoever reads when that is so.
    fn watch_head(&mut self, cx: &mut Context<'_>) {
        if self.head == Head::Whole {
            self.deadline = None;
            return;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        if deadline.as_mut().poll(cx).is_ready() {
            self.meter.end("the head of a request took too long");
        }
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
            if self.skip == 0 && self.head == Head::Ending {
                self.head = Head::Whole;
                // Another one that begins with these bytes has all of its time.
                self.deadline = None;
            }
            let Some((&byte, rest)) = bytes.split_first() else { return true };
            bytes = rest;
            if self.header.push(byte) {
                let frame = std::mem::take(&mut self.header);
                self.skip = frame.rest();
                if let Some(is_last) = frame.ends_head() {
                    self.head = if is_last { Head::Ending } else { Head::Begun };
                }
                if !self.meter.count(&frame) {
                    return false;
                }
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.meter.over.is_cancelled() {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        if !self.follow(buf.filled().get(before..).unwrap_or_default()) {
            self.meter.end("too many frames that carry nothing");
        }
        self.watch_head(cx);
        read
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
    use super::super::frame::CONTINUATION;
    use super::*;
    use crate::config::Http2Limits;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// How many of `bytes`, said over and over in pieces of `step`, are let through.
    fn taken(bytes: &[u8], step: usize) -> usize {
        let (mut metered, _) = Metered::new((), Http2Limits::default().idle_frames, Duration::MAX);
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
    #[test]
    fn a_head_is_whole_with_the_last_byte_of_its_last_frame() {
        let (mut metered, _) = Metered::new((), Http2Limits::default().idle_frames, Duration::MAX);
        let mut follow = |bytes: &[u8]| {
            assert!(metered.follow(bytes));
            metered.head
        };
        assert_eq!(follow(&[0; PREFACE]), Head::Whole);
        let (begin, end) = (frame(HEADERS, 1, b"a head"), frame(CONTINUATION, 4, b"its end"));
        assert_eq!(follow(&begin), Head::Begun);
        assert_eq!(follow(&frame(CONTINUATION, 0, &[])), Head::Begun);
        let (most, last) = end.split_at(end.len() - 1);
        assert_eq!(follow(most), Head::Ending);
        assert_eq!(follow(last), Head::Whole);
        assert_eq!(follow(&frame(HEADERS, 5, &[])), Head::Whole);
        assert_eq!(follow(&[frame(HEADERS, 5, b"whole"), begin].concat()), Head::Begun);
    }
}
