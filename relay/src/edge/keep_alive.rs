//! Comment lines on a silent event stream, so that nothing on the way takes it for dead. A comment may stand only
//! between events: in the middle of one it would still be ignored, but in the middle of a line it would be part of it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Sleep, sleep};

use super::clock::later;

/// A comment and the blank line that keeps it apart from the next event (HTML §9.2.5).
const COMMENT: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// Watches one stream.
#[derive(Debug)]
pub(super) struct KeepAlive {
    period: Duration,
    timer: Pin<Box<Sleep>>,
    position: Position,
}

/// Where in the text/event-stream grammar the last byte was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Between events: at the start, or after a blank line.
    Between,
    /// As `Between`, but the blank line was ended by CR: an LF may still belong to it.
    BetweenAfterCr,
    /// At the start of a line inside an event.
    LineStart,
    /// As `LineStart`, but an LF may still belong to the line's end.
    LineStartAfterCr,
    /// Inside a line.
    Line,
}

impl Position {
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::LineStartAfterCr, b'\n') => Self::LineStart,
            (Self::BetweenAfterCr, b'\n') => Self::Between,
            (Self::Line, b'\n') => Self::LineStart,
            (Self::Line, b'\r') => Self::LineStartAfterCr,
            (_, b'\n') => Self::Between,
            (_, b'\r') => Self::BetweenAfterCr,
            _ => Self::Line,
        }
    }
}

impl KeepAlive {
    pub(super) fn new(period: Duration) -> Self {
        Self { period, timer: Box::pin(sleep(period)), position: Position::Between }
    }

    /// To be told every piece that goes out.
    pub(super) fn observe(&mut self, piece: &[u8]) {
        // Only the last line's end matters, and what stands before the last three bytes cannot change it, unless it
        // is all there is.
        let (skipped, tail) = piece.split_at(piece.len().saturating_sub(4));
        if !skipped.is_empty() {
            self.position = Position::Line;
        }
        for byte in tail {
            self.position = self.position.after(*byte);
        }
        self.timer.as_mut().reset(later(self.period));
    }

    /// The comment that is due.
    pub(super) fn poll_comment(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            self.timer.as_mut().reset(later(self.period));
            if matches!(self.position, Position::Between | Position::BetweenAfterCr) {
                return Poll::Ready(COMMENT);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_between(pieces: &[&[u8]]) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _guard = runtime.enter();
        let mut keep_alive = KeepAlive::new(Duration::from_secs(15));
        for piece in pieces {
            keep_alive.observe(piece);
        }
        matches!(keep_alive.position, Position::Between | Position::BetweenAfterCr)
    }

    #[test]
    fn only_between_events() {
        assert!(is_between(&[]));
        assert!(is_between(&[b"data: 1\n\n"]));
        assert!(is_between(&[b"data: 1\r\n\r\n"]));
        assert!(is_between(&[b"data: 1\r\r"]));
        assert!(is_between(&[b"data: 1\n", b"\n"]));
        assert!(is_between(&[b"data: 1\r\n\r", b"\n"]));
        assert!(!is_between(&[b"data: 1\n"]));
        assert!(!is_between(&[b"data: 1\r\n"]));
        assert!(!is_between(&[b"data: 1"]));
        assert!(!is_between(&[b"d"]));
        assert!(!is_between(&[b"data: 1\n\nd"]));
        assert!(!is_between(&[b"data: 1\r", b"\n"]));
    }

    proptest! {
        /// Looking at the last bytes of each piece comes to the same as looking at every byte.
        #[test]
        fn pieces_do_not_matter(text in "[a\r\n]{0,12}", cut in 0usize..12) {
            let text = text.as_bytes();
            let (head, tail) = text.split_at(cut.min(text.len()));
            let mut position = Position::Between;
            for byte in text {
                position = position.after(*byte);
            }
            let expected = matches!(position, Position::Between | Position::BetweenAfterCr);
            prop_assert_eq!(is_between(&[head, tail]), expected);
        }
    }
}
