//! What a caller has sent, message by message: how much of it hyper may have by now. Bytes in, decisions out.
//!
//! A head is passed when all of it is there and clear. What comes behind a message is held until that message has been
//! answered: it may be a next request, or, after a 101, another protocol.

use bytes::{Buf, BytesMut};

use super::chunks::{Chunks, Malformed};
use super::head::{self, Bounds, Framing, Search};
use crate::edge::answer::Failure;

/// In place of a head that is refused: hyper takes it for a request, whose answer is the refusal.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// See the module's head.
#[derive(Debug)]
pub(super) struct Intake {
    state: State,
    bounds: Bounds,
    /// What has come and was not passed.
    held: BytesMut,
    /// Bytes of `held` that may be passed.
    ready: usize,
    /// Heads that were passed.
    heads: usize,
}

#[derive(Debug)]
enum State {
    Head(Search),
    Length(u64),
    Chunked(Chunks),
    /// A body was no body. What came before that was passed.
    Broken,
    /// A whole message is there and not yet answered.
    Answering,
    /// A head was refused, and nothing is read any more.
    Refused,
    /// Not HTTP any more.
    Raw,
}

/// What the caller is to send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaits {
    /// A request.
    Request,
    /// The rest of a head.
    Head,
    /// More of a body.
    Body,
    /// Nothing: it is for the edge to answer.
    Nothing,
}

impl Intake {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { state: State::Head(Search::default()), bounds, held: BytesMut::new(), ready: 0, heads: 0 }
    }

    /// What may be passed of what was held.
    pub(super) fn ready(&self) -> &[u8] {
        self.held.get(..self.ready).unwrap_or_default()
    }

    /// So many bytes of [`ready`](Self::ready) have been passed.
    pub(super) fn pass(&mut self, length: usize) {
        self.held.advance(length);
        self.ready -= length;
    }

    /// Whether something has come that is not passed.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether more is taken than what is held already.
    pub(super) fn has_room(&self) -> bool {
        self.held.len() < self.bounds.bytes && !matches!(self.state, State::Refused)
    }

    /// Takes what has just come, and says how many of its bytes may be passed at once; the others are held. The error is
    /// what a head is answered with.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        if self.holds() {
            self.held.extend_from_slice(bytes);
            self.look()?;
            return Ok(0);
        }
        let passed = self.follow(bytes)?;
        self.held.extend_from_slice(bytes.get(passed..).unwrap_or_default());
        Ok(passed)
    }

    /// The message before has been answered: what is held may be the next one.
    pub(super) fn answered(&mut self) -> Result<(), Failure> {
        if matches!(self.state, State::Answering) {
            self.state = State::Head(Search::default());
            self.look()?;
        }
        Ok(())
    }

    /// The connection has left HTTP behind.
    pub(super) fn set_raw(&mut self) {
        self.state = State::Raw;
        self.ready = self.held.len();
    }

    /// Nothing that the caller has sent, or sends, is passed any more.
    pub(super) fn refuse(&mut self) {
        self.state = State::Refused;
        self.held = STAND_IN.into();
        self.ready = STAND_IN.len();
    }

    pub(super) fn awaits(&self) -> Awaits {
        match self.state {
            State::Head(_) if self.held.is_empty() => Awaits::Request,
            State::Head(_) => Awaits::Head,
            State::Length(_) | State::Chunked(_) => Awaits::Body,
            State::Broken | State::Answering | State::Refused | State::Raw => Awaits::Nothing,
        }
    }

    /// Heads that were passed.
    pub(super) fn heads(&self) -> usize {
        self.heads
    }

    /// Whether a whole message is there and not yet answered.
    pub(super) fn is_answering(&self) -> bool {
        matches!(self.state, State::Answering)
    }

    /// Whether the body turned out to be none.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.state, State::Broken)
    }

    pub(super) fn is_refused(&self) -> bool {
        matches!(self.state, State::Refused)
    }

    pub(super) fn is_raw(&self) -> bool {
        matches!(self.state, State::Raw)
    }

    fn look(&mut self) -> Result<(), Failure> {
        let held = std::mem::take(&mut self.held);
        let unseen = held.get(self.ready..).unwrap_or_default();
        let followed = self.follow(unseen);
        self.held = held;
        self.ready += followed?;
        Ok(())
    }

    /// Follows the message as far as `bytes` go.
    fn follow(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            match &mut self.state {
                State::Head(search) => match search.find(rest, self.bounds)? {
                    None => return Ok(at),
                    Some(place) => {
                        let head = rest.get(place.clone()).unwrap_or_default();
                        self.state = match head::check(head, self.bounds)? {
                            Framing::Length(length) => State::Length(length),
                            Framing::Chunked => State::Chunked(Chunks::new()),
                        };
                        at += place.end;
                        self.heads += 1;
                    }
                },
                State::Length(0) | State::Chunked(Chunks::Over) => self.state = State::Answering,
                _ if rest.is_empty() => return Ok(at),
                State::Length(left) => {
                    let here = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= here as u64;
                    at += here;
                }
                State::Chunked(chunks) => match chunks.follow(rest) {
                    Ok(length) => at += length,
                    Err(Malformed(good)) => {
                        self.state = State::Broken;
                        return Ok(at + good);
                    }
                },
                State::Raw => return Ok(bytes.len()),
                State::Broken | State::Answering | State::Refused => return Ok(at),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 1024, fields: 8 };

    /// Everything that is passed of `text` when it comes in pieces, and is answered at once.
    fn passed(text: &[u8], mut cuts: Vec<usize>) -> Result<Vec<u8>, Failure> {
        let (mut intake, mut passed, mut from) = (Intake::new(BOUNDS), Vec::new(), 0);
        cuts.push(text.len());
        cuts.sort_unstable();
        for cut in cuts {
            let piece = &text[from..cut.min(text.len()).max(from)];
            from += piece.len();
            let direct = intake.push(piece)?;
            passed.extend_from_slice(&piece[..direct]);
            loop {
                passed.extend_from_slice(intake.ready());
                intake.pass(intake.ready().len());
                if !matches!(intake.state, State::Answering) {
                    break;
                }
                intake.answered()?;
            }
        }
        Ok(passed)
    }

    #[test]
    fn what_comes_behind_a_message_is_held_until_it_is_answered() {
        let mut intake = Intake::new(BOUNDS);
        let first = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok";
        let second = b"GET /2 HTTP/1.1\r\n\r\n";
        let both = [first.as_slice(), second].concat();
        assert_eq!(intake.push(&both), Ok(first.len()));
        assert_eq!((intake.awaits(), intake.holds(), intake.ready()), (Awaits::Nothing, true, &b""[..]));
        intake.answered().unwrap();
        assert_eq!(intake.ready(), second);
    }

    #[test]
    fn after_an_upgrade_everything_is_passed() {
        let mut intake = Intake::new(BOUNDS);
        let head = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
        assert_eq!(intake.push(&[head.as_slice(), b"\x81\x00"].concat()), Ok(head.len()));
        intake.set_raw();
        assert_eq!(intake.ready(), b"\x81\x00");
        intake.pass(2);
        assert_eq!(intake.push(b"\n\r\n"), Ok(3));
    }

    #[test]
    fn behind_a_refused_head_nothing_is_passed() {
        let mut intake = Intake::new(BOUNDS);
        assert!(matches!(intake.push(b"GET / HTTP/1.1\r\n\n"), Err(Failure::BadRequest(_))));
        intake.refuse();
        assert_eq!(intake.ready(), STAND_IN);
        intake.pass(STAND_IN.len());
        assert_eq!(intake.push(b"GET / HTTP/1.1\r\n\r\n"), Ok(0));
    }

    proptest! {
        /// Whatever comes in whatever pieces: what is passed is what has come, as far as it is HTTP.
        #[test]
        fn pieces_do_not_matter(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "GET / HTTP/1.1\r\n\r\n",
                "\r\n",
                "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                "PO", "ST", "\n", "0\r\n",
            ]), 0..6),
            cuts in proptest::collection::vec(0usize..200, 0..8),
        ) {
            let text = parts.concat();
            let whole = passed(text.as_bytes(), Vec::new());
            let in_pieces = passed(text.as_bytes(), cuts);
            match (whole, in_pieces) {
                (Ok(whole), Ok(in_pieces)) => {
                    prop_assert_eq!(&whole, &in_pieces);
                    prop_assert!(text.as_bytes().starts_with(&whole));
                }
                (whole, in_pieces) => prop_assert_eq!(whole.is_err(), in_pieces.is_err()),
            }
        }
    }
}
