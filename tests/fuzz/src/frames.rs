//! The frame decoder, both directions: the first byte says which direction and how the rest is cut up.
//!
//! A second reading of the frame table in `gantz_shared::wire`, written as plainly as can be, says what has to come out;
//! however the stream is cut up, the decoder has to agree with it, and never call a message whole that is not.

use std::mem::{Discriminant, discriminant};

use bytes::{BufMut, Bytes, BytesMut};
use gantz_shared::limits::{MAX_DATA, MAX_HEAD};
use gantz_shared::wire::{self, Decoder, Direction, Event, FrameKind, WireError, varint};

use super::pieces::pieces;

/// What a stream is.
#[derive(Debug, PartialEq)]
struct Reading {
    /// Neighbouring body and raw bytes are one event.
    events: Vec<Event>,
    end: End,
}

#[derive(Debug, PartialEq)]
enum End {
    Whole,
    Truncated,
    Violation(Discriminant<WireError>),
}

/// Checks the decoder on one stream.
pub fn check(data: &[u8]) {
    let Some((&plan, stream)) = data.split_first() else { return };
    let direction = if plan & 1 == 0 { Direction::Request } else { Direction::Response };
    let (expected, whole_from) = read_plainly(direction, stream);
    for cut in [0, 1, plan >> 1] {
        assert_eq!(decode(direction, pieces(stream, cut)), expected, "{direction:?} cut by {cut}");
    }
    never_whole_too_early(direction, stream, whole_from);
    if expected.end == End::Whole {
        survives_encoding(direction, &expected, usize::from(plan).max(1));
    }
}

/// The table, read byte by byte; and from which offset on a FIN makes a whole message.
fn read_plainly(direction: Direction, stream: &[u8]) -> (Reading, Option<usize>) {
    let mut events = Vec::new();
    let (mut at, mut head, mut body) = (0, false, false);
    let violation = |error: WireError| End::Violation(discriminant(&error));
    let end = loop {
        let Some(&kind) = stream.get(at) else { break End::Truncated };
        if kind > 4 {
            break violation(WireError::UnknownFrame(kind));
        }
        let Some(&first) = stream.get(at + 1) else { break End::Truncated };
        let size = [1, 2, 4, 8][usize::from(first >> 6)];
        let Some(bytes) = stream.get(at + 1..at + 1 + size) else { break End::Truncated };
        let len = bytes[1..].iter().fold(u64::from(first & 0x3f), |len, byte| len << 8 | u64::from(*byte));
        let (allowed, limit, frame) = match kind {
            0 => (!head, MAX_HEAD, FrameKind::Head),
            1 => (!head && direction == Direction::Response, MAX_HEAD, FrameKind::Info),
            2 => (head, MAX_DATA, FrameKind::Data),
            3 => (head, MAX_HEAD, FrameKind::End),
            _ => (head && !body, 0, FrameKind::Upgraded),
        };
        if !allowed {
            break violation(WireError::Unexpected { frame, expected: "" });
        }
        if len > limit as u64 {
            break violation(WireError::TooLong { frame, len, limit });
        }
        at += 1 + size;
        if frame == FrameKind::Upgraded {
            events.push(Event::Upgraded);
            if at < stream.len() {
                events.push(Event::Raw(Bytes::copy_from_slice(&stream[at..])));
            }
            return (Reading { events, end: End::Whole }, Some(at));
        }
        let payload = &stream[at..stream.len().min(at + len as usize)];
        let is_all = payload.len() as u64 == len;
        at += payload.len();
        body |= frame == FrameKind::Data;
        head |= frame == FrameKind::Head;
        let bytes = Bytes::copy_from_slice(payload);
        match frame {
            FrameKind::Data => push(&mut events, Event::Data(bytes)),
            _ if !is_all => break End::Truncated,
            FrameKind::Head => events.push(Event::Head(bytes)),
            FrameKind::Info => events.push(Event::Info(bytes)),
            _ => {
                events.push(Event::End(bytes));
                let end = if at == stream.len() { End::Whole } else { violation(WireError::Trailing) };
                return (Reading { events, end }, Some(at));
            }
        }
    };
    (Reading { events, end }, None)
}

/// The decoder's own reading.
fn decode<'a>(direction: Direction, chunks: impl Iterator<Item = &'a [u8]>) -> Reading {
    let mut decoder = Decoder::new(direction);
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        if let Err(error) = drain(&mut decoder, &mut events) {
            return Reading { events, end: End::Violation(discriminant(&error)) };
        }
    }
    let end = match decoder.finish() {
        Ok(()) => End::Whole,
        Err(WireError::Truncated) => End::Truncated,
        Err(other) => panic!("finish() said {other}"),
    };
    Reading { events, end }
}

fn drain(decoder: &mut Decoder, events: &mut Vec<Event>) -> Result<(), WireError> {
    while let Some(event) = decoder.next()? {
        if let Event::Data(bytes) | Event::Raw(bytes) = &event {
            assert!(!bytes.is_empty(), "an event without bytes");
        }
        push(events, event);
    }
    Ok(())
}

/// Adds an event, body bytes to those before them.
fn push(events: &mut Vec<Event>, event: Event) {
    match (events.last_mut(), event) {
        (Some(Event::Data(before)), Event::Data(bytes)) | (Some(Event::Raw(before)), Event::Raw(bytes)) => {
            *before = [&before[..], &bytes[..]].concat().into();
        }
        (_, Event::Data(bytes)) if bytes.is_empty() => {}
        (_, event) => events.push(event),
    }
}

/// A stream that ends anywhere before `END` (or `UPGRADED`) is truncated, wherever the cut is.
fn never_whole_too_early(direction: Direction, stream: &[u8], whole_from: Option<usize>) {
    let mut decoder = Decoder::new(direction);
    let is_raw = |at: usize| whole_from.is_some_and(|from| at >= from);
    for (at, byte) in stream.iter().enumerate() {
        assert_eq!(decoder.finish().is_ok(), is_raw(at), "after {at} bytes");
        decoder.push(Bytes::copy_from_slice(&[*byte]));
        if drain(&mut decoder, &mut Vec::new()).is_err() {
            return;
        }
    }
    assert_eq!(decoder.finish().is_ok(), is_raw(stream.len()));
}

/// The events, written again with body frames of another size, are the same message.
fn survives_encoding(direction: Direction, reading: &Reading, size: usize) {
    let mut out = BytesMut::new();
    for event in &reading.events {
        match event {
            Event::Head(payload) => frame(FrameKind::Head, payload, &mut out),
            Event::Info(payload) => frame(FrameKind::Info, payload, &mut out),
            Event::End(payload) if payload.is_empty() => wire::end(&mut out),
            Event::End(payload) => frame(FrameKind::End, payload, &mut out),
            Event::Upgraded => wire::upgraded(&mut out),
            Event::Raw(bytes) => out.put_slice(bytes),
            Event::Data(bytes) => {
                for piece in bytes.chunks(size) {
                    wire::data_header(piece.len(), &mut out);
                    out.put_slice(piece);
                }
            }
        }
    }
    assert_eq!(decode(direction, std::iter::once(&out[..])), *reading);
}

/// A frame around a payload that need not be a head.
fn frame(kind: FrameKind, payload: &[u8], out: &mut BytesMut) {
    out.put_u8(kind as u8);
    varint::write(payload.len() as u64, out);
    out.put_slice(payload);
}
