//! A body that has to be read whole.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use super::room::{Busy, Share, UNCOUNTED};

/// Pieces of a body, up to a limit, and as long as there is room.
pub struct Buffer {
    held: Vec<u8>,
    limit: usize,
    /// How long the whole is said to become. Nothing is taken for what has not come.
    declared: Option<usize>,
    share: Share,
}

impl Buffer {
    /// An empty one that takes `limit` bytes.
    pub(super) fn new(limit: usize, declared: Option<u64>, share: Share) -> Self {
        let declared = declared.and_then(|len| usize::try_from(len).ok());
        Self { held: Vec::new(), limit, declared, share }
    }

    /// Adds the next piece.
    ///
    /// # Errors
    /// [`Full`]; what was held is gone, and the body need not be read any further.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Full> {
        let result = self.make_room(piece.len());
        match result {
            Ok(()) => self.held.extend_from_slice(piece),
            Err(_) => self.clear(),
        }
        result
    }

    /// The memory that is held is counted, not only what it is used for.
    fn make_room(&mut self, more: usize) -> Result<(), Full> {
        let (len, capacity) = (self.held.len(), self.held.capacity());
        if more > self.limit - len {
            return Err(TooLarge { limit: self.limit }.into());
        }
        let needed = len + more;
        if needed > capacity {
            let most = self.declared.unwrap_or(self.limit).clamp(needed, self.limit);
            let ample = (2 * capacity).clamp(needed, most);
            let capacity = if self.share.grow(ample).is_ok() {
                ample
            } else {
                self.share.grow(needed)?;
                needed
            };
            self.held.reserve_exact(capacity - len);
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.held = Vec::new();
        self.share.shrink(0);
    }

    /// The whole body; it has its room until the last of it is dropped.
    #[must_use]
    pub fn finish(self) -> Bytes {
        let (bytes, share) = self.into_parts();
        share.of(bytes)
    }

    /// The whole body, and the room that it has.
    pub(super) fn into_parts(mut self) -> (Vec<u8>, Share) {
        // What is not counted is not worth copying.
        if self.held.capacity() > UNCOUNTED {
            self.held.shrink_to_fit();
        }
        self.share.shrink(self.held.len());
        (self.held, self.share)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.held
    }
}

/// Never what is in it.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.held.len()).field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Why a body is not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// However much room there were.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// Not now.
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// A body is longer than can be looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("longer than {limit} bytes")]
pub struct TooLarge {
    /// Bytes.
    pub limit: usize,
}

#[cfg(test)]
mod tests {
    use super::super::room::{MAX_HELD_REQUESTS, Room};
    use super::*;

    #[test]
    fn a_buffer_takes_its_limit_and_no_more() {
        let room = Room::default();
        let mut buffer = Buffer::new(4, None, room.request());
        assert_eq!(buffer.push(b"abc"), Ok(()));
        assert_eq!(buffer.push(b"d"), Ok(()));
        assert!(!format!("{buffer:?}").contains("abc"));
        assert_eq!(buffer.push(b"e"), Err(Full::TooLarge(TooLarge { limit: 4 })));
        let mut buffer = Buffer::new(4, None, room.request());
        assert_eq!(buffer.push(b"abcd"), Ok(()));
        assert_eq!(buffer.finish(), "abcd");
    }

    #[test]
    fn what_is_allocated_is_counted() {
        let (room, piece) = (Room::default(), [b' '; UNCOUNTED]);
        let used = || MAX_HELD_REQUESTS - room.free().0;
        for (declared, used_before, used_after) in
            [(None, 7, 4), (Some(5 * UNCOUNTED as u64), 4, 4), (Some(1), 4, 4), (Some(u64::MAX), 7, 4)]
        {
            let mut buffer = Buffer::new(MAX_HELD_REQUESTS, declared, room.request());
            (0..5).for_each(|_| buffer.push(&piece).unwrap());
            assert_eq!((buffer.held.capacity() - UNCOUNTED, used()), (used(), used_before * UNCOUNTED), "{declared:?}");
            let bytes = buffer.finish();
            assert_eq!((bytes.len(), used()), (5 * UNCOUNTED, used_after * UNCOUNTED));
            drop(bytes);
            assert_eq!(used(), 0);
        }
    }

    #[test]
    fn a_buffer_fills_the_room_to_its_end() {
        let (room, piece) = (Room::default(), [b' '; UNCOUNTED]);
        let whole = MAX_HELD_REQUESTS / UNCOUNTED + 1;
        let mut buffer = Buffer::new(usize::MAX, None, room.request());
        (0..whole).for_each(|_| buffer.push(&piece).unwrap());
        assert_eq!((buffer.push(b"x"), room.free().0), (Err(Full::Busy(Busy)), MAX_HELD_REQUESTS));
    }
}
