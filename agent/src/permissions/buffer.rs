//! A body that has to be read whole.

use std::fmt;

use bytes::{Bytes, BytesMut};

/// Pieces of a body, up to a limit.
pub struct Buffer {
    held: BytesMut,
    limit: usize,
}

impl Buffer {
    /// An empty one that takes `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { held: BytesMut::new(), limit }
    }

    /// Adds the next piece.
    ///
    /// # Errors
    /// The body is longer than the limit; it need not be read any further.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), TooLarge> {
        if piece.len() > self.limit - self.held.len() {
            self.held = BytesMut::new();
            return Err(TooLarge { limit: self.limit });
        }
        self.held.extend_from_slice(piece);
        Ok(())
    }

    /// The whole body.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.held.freeze()
    }
}

/// Never what is in it.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.held.len()).field("limit", &self.limit).finish()
    }
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
    use super::*;

    #[test]
    fn a_buffer_takes_its_limit_and_no_more() {
        let mut buffer = Buffer::new(4);
        assert_eq!(buffer.push(b"abc"), Ok(()));
        assert_eq!(buffer.push(b"d"), Ok(()));
        assert!(!format!("{buffer:?}").contains("abc"));
        assert_eq!(buffer.push(b"e"), Err(TooLarge { limit: 4 }));
        let mut buffer = Buffer::new(4);
        assert_eq!(buffer.push(b"abcd"), Ok(()));
        assert_eq!(buffer.finish(), "abcd");
    }
}
