//! Room for what is held whole until it is checked: one budget an agent, for all its callers together.
//!
//! ```text
//! requests ─▶ MAX_HELD_REQUESTS ┐  a share grows with its body, and is given back when the last byte has gone on
//! answers ──▶ MAX_HELD_ANSWERS  ┘  a read over MAX_READ_HERE: one at a time, on a thread of its own
//! ```
//!
//! Nobody waits for room: whoever waited would keep what it has, and two that wait for each other would wait for ever.
//! Requests and answers have a budget each, so that requests, which come from outside, never take the room of the answers
//! to those that have passed. The first [`UNCOUNTED`] bytes of each body are everybody's own: common calls go on when
//! large ones fill the room.
//!
//! Reading takes memory beside the bytes that are read, some of it a few times as much: texts are unescaped, lists of
//! values noted, and the new answer is written beside the old one. So what is long is read one after the other, and an
//! agent takes [`MAX_HELD_REQUESTS`] and [`MAX_HELD_ANSWERS`], the uncounted beginnings, and what one read takes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinError;

/// Request bodies that are held whole, bytes, all together.
pub const MAX_HELD_REQUESTS: usize = 32 << 20;

/// JSON answers and server-sent events that are held whole, bytes, all together.
pub const MAX_HELD_ANSWERS: usize = 32 << 20;

/// How much of each body is not counted, bytes. With [`gantz_shared::limits::MAX_REQUEST_STREAMS`] it is bounded, too.
pub const UNCOUNTED: usize = 16 << 10;

/// The longest text that is read where it is, bytes: some hundred microseconds. A longer one would keep every other call
/// of the tunnel waiting.
pub const MAX_READ_HERE: usize = 256 << 10;

/// See the module's head. A clone is the same room.
#[derive(Debug, Clone)]
pub struct Room {
    requests: Arc<Pool>,
    answers: Arc<Pool>,
    reading: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            requests: Arc::new(Pool(AtomicUsize::new(MAX_HELD_REQUESTS))),
            answers: Arc::new(Pool(AtomicUsize::new(MAX_HELD_ANSWERS))),
            reading: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Room {
    /// How many bytes of requests, and of answers, there is room for.
    #[must_use]
    pub fn free(&self) -> (usize, usize) {
        (self.requests.0.load(Ordering::Relaxed), self.answers.0.load(Ordering::Relaxed))
    }

    pub(super) fn request(&self) -> Share {
        Share { pool: self.requests.clone(), counted: 0 }
    }

    pub(super) fn answer(&self) -> Share {
        Share { pool: self.answers.clone(), counted: 0 }
    }

    /// Does `read`, which goes through so many bytes: here where they are few, else on a thread that may block. Waits
    /// its turn; who has it waits for nothing. Dropped, what was begun goes on, and its result is lost.
    ///
    /// # Errors
    /// `read` has panicked, or the runtime has ended.
    pub async fn read<T: Send + 'static>(
        &self,
        bytes: usize,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        if bytes <= MAX_READ_HERE {
            return Ok(read());
        }
        // It is never closed.
        let turn = self.reading.clone().acquire_owned().await.ok();
        let reading = tokio::task::spawn_blocking(move || {
            let result = read();
            drop(turn);
            result
        });
        reading.await
    }
}

/// Bytes that are free.
#[derive(Debug)]
struct Pool(AtomicUsize);

/// What is held of one body. Dropped, it is given back.
pub(super) struct Share {
    pool: Arc<Pool>,
    counted: usize,
}

impl Share {
    /// From now on so many bytes are held.
    ///
    /// # Errors
    /// [`Busy`], and nothing has changed.
    pub(super) fn grow(&mut self, held: usize) -> Result<(), Busy> {
        let more = held.saturating_sub(UNCOUNTED).saturating_sub(self.counted);
        // Nothing else is published by it: the order of other memory does not matter.
        let taken = self.pool.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(more));
        taken.map_err(|_| Busy)?;
        self.counted += more;
        Ok(())
    }

    /// From now on only so many bytes are held.
    pub(super) fn shrink(&mut self, held: usize) {
        let less = self.counted.saturating_sub(held.saturating_sub(UNCOUNTED));
        self.pool.0.fetch_add(less, Ordering::Relaxed);
        self.counted -= less;
    }

    /// Holds what `other` holds, too.
    pub(super) fn join(&mut self, mut other: Self) {
        self.counted += std::mem::take(&mut other.counted);
    }

    /// The bytes that are held: with the last of their clones and slices the share ends.
    pub(super) fn of(self, bytes: Vec<u8>) -> Bytes {
        if self.counted == 0 { bytes.into() } else { Bytes::from_owner(Held { bytes, _share: self }) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.pool.0.fetch_add(self.counted, Ordering::Relaxed);
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("counted", &self.counted).finish_non_exhaustive()
    }
}

struct Held {
    bytes: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// There is no room at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much is being checked at the same time")]
pub struct Busy;

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: (usize, usize) = (MAX_HELD_REQUESTS, MAX_HELD_ANSWERS);

    #[test]
    fn a_share_is_counted_and_given_back() {
        let room = Room::default();
        let mut share = room.request();
        share.grow(UNCOUNTED).unwrap();
        assert_eq!(room.free(), WHOLE);
        share.grow(UNCOUNTED + 5).unwrap();
        assert_eq!(room.free(), (MAX_HELD_REQUESTS - 5, MAX_HELD_ANSWERS));
        share.shrink(UNCOUNTED + 2);
        assert_eq!(room.free().0, MAX_HELD_REQUESTS - 2);
        drop(share);
        assert_eq!(room.free(), WHOLE);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_takes_nothing() {
        let room = Room::default();
        let (mut first, mut second) = (room.request(), room.request());
        first.grow(MAX_HELD_REQUESTS).unwrap();
        second.grow(2 * UNCOUNTED).unwrap();
        assert_eq!((second.grow(2 * UNCOUNTED + 1), room.free().0), (Err(Busy), 0));
        // Answers have room of their own, and little ones need none.
        room.answer().grow(MAX_HELD_ANSWERS).unwrap();
        room.request().grow(UNCOUNTED).unwrap();
        drop(first);
        assert_eq!(second.grow(2 * UNCOUNTED + 1), Ok(()));
        drop(second);
        assert_eq!(room.free(), WHOLE);
    }

    #[test]
    fn bytes_keep_their_share_to_the_last_slice() {
        let room = Room::default();
        let (mut share, mut other) = (room.answer(), room.answer());
        share.grow(UNCOUNTED + 3).unwrap();
        other.grow(UNCOUNTED + 4).unwrap();
        share.join(other);
        let bytes = share.of(vec![7; 2 * UNCOUNTED]);
        let slice = bytes.slice(1..2);
        drop(bytes);
        assert_eq!((&*slice, room.free().1), (&[7][..], MAX_HELD_ANSWERS - 7));
        drop(slice);
        assert_eq!(room.free(), WHOLE);
    }

    #[tokio::test]
    async fn long_texts_are_read_elsewhere_one_after_the_other() {
        let (room, here) = (Room::default(), std::thread::current().id());
        let thread = || std::thread::current().id();
        assert_eq!(room.read(MAX_READ_HERE, thread).await.unwrap(), here);
        assert_ne!(room.read(MAX_READ_HERE + 1, thread).await.unwrap(), here);
        let at_once = Arc::new(AtomicUsize::new(0));
        let reads = (0..8).map(|_| {
            let at_once = at_once.clone();
            room.read(MAX_READ_HERE + 1, move || {
                let others = at_once.fetch_add(1, Ordering::SeqCst);
                std::thread::yield_now();
                at_once.fetch_sub(1, Ordering::SeqCst);
                others
            })
        });
        for others in futures_util::future::join_all(reads).await {
            assert_eq!(others.unwrap(), 0);
        }
        assert!(room.read(MAX_READ_HERE + 1, || panic!("in the test")).await.is_err());
        assert_eq!(room.read(MAX_READ_HERE + 1, || 7).await.unwrap(), 7, "its turn was given back");
    }
}
