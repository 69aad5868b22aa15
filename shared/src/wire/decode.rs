//! Bytes to frames, as they come. `DATA` is handed on piece by piece without waiting for the whole frame and without a
//! copy; only a head that is split over two chunks is gathered, up to [`MAX_HEAD`].

use bytes::{Buf, Bytes, BytesMut};

use super::{FrameKind, WireError, varint};
use crate::limits::{MAX_DATA, MAX_HEAD};

/// Which half of the exchange a decoder reads; the two allow different frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// What the relay sends: `HEAD (DATA* END | UPGRADED raw)`.
    Request,
    /// What the agent sends: `INFO* HEAD (DATA* END | UPGRADED raw)`.
    Response,
}

/// What the decoder found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The payload of a `HEAD`, whole.
    Head(Bytes),
    /// The payload of an `INFO`, whole.
    Info(Bytes),
    /// Some bytes of body; frame borders are not kept.
    Data(Bytes),
    /// The payload of `END`: the trailer fields. Nothing follows.
    End(Bytes),
    /// Every later event is [`Event::Raw`].
    Upgraded,
    /// Bytes of the upgraded protocol.
    Raw(Bytes),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A frame's first byte comes next.
    Frame,
    /// `left` payload bytes of a frame that is gathered whole come next.
    Gather { kind: FrameKind, left: usize },
    /// `left` bytes of a `DATA` payload come next.
    Data { left: usize },
    /// Raw bytes until FIN.
    Raw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    BeforeHead,
    /// `HEAD` has come and no `DATA` yet: the one place where the message may turn into an upgraded stream.
    AfterHead,
    Body,
    Ended,
}

/// The decoder of one direction of one request stream.
///
/// Feed it with [`push`](Self::push), take events with [`next`](Self::next) until there are none, and ask
/// [`finish`](Self::finish) when the stream has ended. After an error it is not to be used again.
#[derive(Debug)]
pub struct Decoder {
    direction: Direction,
    phase: Phase,
    state: State,
    /// What was pushed and not yet looked at.
    input: Bytes,
    /// The start of a frame header or of a gathered payload, when it is split over chunks.
    partial: BytesMut,
}

impl Decoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new(direction: Direction) -> Self {
        Self { direction, phase: Phase::BeforeHead, state: State::Frame, input: Bytes::new(), partial: BytesMut::new() }
    }

    /// Adds the next bytes of the stream.
    pub fn push(&mut self, chunk: Bytes) {
        if self.input.is_empty() {
            self.input = chunk;
        } else {
            let mut joined = BytesMut::with_capacity(self.input.len() + chunk.len());
            joined.extend_from_slice(&self.input);
            joined.extend_from_slice(&chunk);
            self.input = joined.freeze();
        }
    }

    /// The next event, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`WireError`] for what the peer may not send; the stream is to be reset.
    #[allow(clippy::should_implement_trait)] // It yields results and can go on after `None`: not an iterator.
    pub fn next(&mut self) -> Result<Option<Event>, WireError> {
        loop {
            match self.state {
                State::Frame => {
                    if self.phase == Phase::Ended && !self.input.is_empty() {
                        return Err(WireError::Trailing);
                    }
                    let Some((kind, len)) = self.header()? else { return Ok(None) };
                    self.state = self.enter(kind, len)?;
                    if self.state == State::Raw {
                        return Ok(Some(Event::Upgraded));
                    }
                }
                State::Data { left: 0 } => self.state = State::Frame,
                State::Data { left } => {
                    if self.input.is_empty() {
                        return Ok(None);
                    }
                    let piece = self.input.split_to(left.min(self.input.len()));
                    self.state = State::Data { left: left - piece.len() };
                    return Ok(Some(Event::Data(piece)));
                }
                State::Gather { kind, left } => {
                    let Some(payload) = self.gather(left) else { return Ok(None) };
                    self.state = State::Frame;
                    return Ok(Some(match kind {
                        FrameKind::Info => Event::Info(payload),
                        FrameKind::End => {
                            self.phase = Phase::Ended;
                            Event::End(payload)
                        }
                        _ => {
                            self.phase = Phase::AfterHead;
                            Event::Head(payload)
                        }
                    }));
                }
                State::Raw if self.input.is_empty() => return Ok(None),
                State::Raw => return Ok(Some(Event::Raw(std::mem::take(&mut self.input)))),
            }
        }
    }

    /// To be asked when the stream has ended with a FIN and [`next`](Self::next) has nothing more.
    ///
    /// # Errors
    /// [`WireError::Truncated`] unless the message was whole.
    pub fn finish(&self) -> Result<(), WireError> {
        if self.state == State::Raw || self.is_ended() { Ok(()) } else { Err(WireError::Truncated) }
    }

    /// Whether `END` has been seen.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Type and length of the next frame, gathered over chunk borders if need be.
    fn header(&mut self) -> Result<Option<(FrameKind, u64)>, WireError> {
        if self.partial.is_empty() {
            let mut peek = &self.input[..];
            if let Some(header) = parse_header(&mut peek)? {
                let used = self.input.len() - peek.len();
                self.input.advance(used);
                return Ok(Some(header));
            }
            self.partial.extend_from_slice(&self.input);
            self.input.clear();
            return Ok(None);
        }
        // A header has at most nine bytes: taking them one at a time costs nothing that could be measured.
        while !self.input.is_empty() {
            self.partial.extend_from_slice(&self.input.split_to(1));
            if let Some(header) = parse_header(&mut &self.partial[..])? {
                self.partial.clear();
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Checks a frame against the grammar and its limit.
    fn enter(&mut self, kind: FrameKind, len: u64) -> Result<State, WireError> {
        let expected = match (self.phase, kind) {
            (Phase::BeforeHead, FrameKind::Head) => None,
            (Phase::BeforeHead, FrameKind::Info) if self.direction == Direction::Response => None,
            (Phase::BeforeHead, _) => Some("HEAD"),
            (Phase::AfterHead, FrameKind::Data | FrameKind::End | FrameKind::Upgraded) => None,
            (Phase::AfterHead, _) => Some("DATA, END or UPGRADED"),
            (Phase::Body, FrameKind::Data | FrameKind::End) => None,
            (Phase::Body, _) => Some("DATA or END"),
            (Phase::Ended, _) => return Err(WireError::Trailing),
        };
        if let Some(expected) = expected {
            return Err(WireError::Unexpected { frame: kind, expected });
        }
        let limit = match kind {
            FrameKind::Data => MAX_DATA,
            FrameKind::Upgraded => 0,
            FrameKind::Head | FrameKind::Info | FrameKind::End => MAX_HEAD,
        };
        let left = match usize::try_from(len) {
            Ok(left) if left <= limit => left,
            _ => return Err(WireError::TooLong { frame: kind, len, limit }),
        };
        Ok(match kind {
            FrameKind::Data => {
                self.phase = Phase::Body;
                State::Data { left }
            }
            FrameKind::Upgraded => State::Raw,
            FrameKind::Head | FrameKind::Info | FrameKind::End => State::Gather { kind, left },
        })
    }

    /// `len` bytes as one piece: a slice of the input where they lie together, a copy where they do not.
    fn gather(&mut self, len: usize) -> Option<Bytes> {
        if self.partial.is_empty() && self.input.len() >= len {
            return Some(self.input.split_to(len));
        }
        let missing = len - self.partial.len();
        let take = missing.min(self.input.len());
        self.partial.extend_from_slice(&self.input.split_to(take));
        (self.partial.len() == len).then(|| self.partial.split().freeze())
    }
}

fn parse_header(buf: &mut &[u8]) -> Result<Option<(FrameKind, u64)>, WireError> {
    let Some((&kind, rest)) = buf.split_first() else { return Ok(None) };
    let kind = FrameKind::from_byte(kind)?;
    let mut rest = rest;
    let Some(len) = varint::read(&mut rest) else { return Ok(None) };
    *buf = rest;
    Ok(Some((kind, len)))
}
