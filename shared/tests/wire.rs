//! Request streams: whatever head and body go in come out, however the bytes are cut up; what is cut short is never
//! whole; and each limit lets exactly its own size through.

#![allow(clippy::unwrap_used, clippy::panic)]

mod samples;
mod strategies;

use bytes::{BufMut, Bytes, BytesMut};
use gantz_shared::limits::{MAX_DATA, MAX_FIELDS, MAX_HEAD, MAX_LABEL};
use gantz_shared::wire::head::{self, RequestHead, ResponseHead};
use gantz_shared::wire::{Decoder, Direction, Event, FrameKind, WireError, data_header, end, upgraded, varint};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;
use samples::{encode_end, encode_info, encode_request, encode_response, fields};
use strategies::{Message, message, request_head, response_head};

/// Every event of a stream that comes in these chunks, or what is wrong with it. Body and raw bytes are joined.
fn events<'a>(direction: Direction, chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Event>, WireError> {
    let mut decoder = Decoder::new(direction);
    let mut events: Vec<Event> = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        drain(&mut decoder, &mut events)?;
    }
    decoder.finish()?;
    Ok(events)
}

fn drain(decoder: &mut Decoder, events: &mut Vec<Event>) -> Result<(), WireError> {
    while let Some(event) = decoder.next()? {
        match (events.last_mut(), event) {
            (Some(Event::Data(before)), Event::Data(bytes)) | (Some(Event::Raw(before)), Event::Raw(bytes)) => {
                *before = [&before[..], &bytes[..]].concat().into();
            }
            (_, event) => events.push(event),
        }
    }
    Ok(())
}

/// `bytes` in pieces of these sizes, over and over.
fn cut<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut sizes = sizes.iter().cycle();
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(sizes.next().map_or(1, |size| (*size).clamp(1, bytes.len())));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// A frame that no encoder of ours would write.
fn frame(kind: u8, len: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    varint::write(len, &mut out);
    out.put_slice(payload);
    out
}

proptest! {
    #[test]
    fn any_request_head_comes_out_as_it_went_in(head in request_head()) {
        let frame = encode_request(&head).unwrap();
        let RequestHead { authority, path, .. } = head.clone();
        let Event::Head(payload) = events(Direction::Request, [&frame[..], &[3, 0]]).unwrap().remove(0) else {
            panic!("no HEAD")
        };
        let decoded = RequestHead::decode(payload).unwrap();
        // `Authority` and `PathAndQuery` are compared as text, too: their own equality forgives what the wire must not.
        prop_assert_eq!(decoded.authority.as_str(), authority.as_str());
        prop_assert_eq!(decoded.path.as_str(), path.as_str());
        prop_assert_eq!(decoded, head);
    }

    #[test]
    fn any_response_head_comes_out_as_it_went_in(head in response_head()) {
        let frame = encode_response(&head).unwrap();
        prop_assert_eq!(ResponseHead::decode(frame.slice(5..)), Ok(head.clone()));
        let info = encode_info(&head).unwrap();
        prop_assert_eq!(ResponseHead::decode(info.slice(5..)), Ok(ResponseHead { upgrade: None, ..head }));
    }

    /// A head that ends anywhere inside a part is malformed; one that ends between two fields is another head.
    #[test]
    fn half_a_head_is_never_the_whole_one(head in request_head(), at in any::<prop::sample::Index>()) {
        let payload = encode_request(&head).unwrap().slice(5..);
        let half = payload.slice(..at.index(payload.len()));
        prop_assert!(RequestHead::decode(half).as_ref() != Ok(&head));
    }

    #[test]
    fn cutting_the_stream_up_changes_nothing(
        message in message(),
        sizes in prop::collection::vec(1usize..40, 1..8),
    ) {
        let bytes = message.encode();
        prop_assert_eq!(events(message.direction, [&bytes[..]]), Ok(message.events()));
        prop_assert_eq!(events(message.direction, cut(&bytes, &[1])), Ok(message.events()));
        prop_assert_eq!(events(message.direction, cut(&bytes, &sizes)), Ok(message.events()));
    }

    /// Chunks may also pile up before anybody looks.
    #[test]
    fn looking_late_changes_nothing(message in message(), sizes in prop::collection::vec(1usize..40, 1..8)) {
        let mut decoder = Decoder::new(message.direction);
        for piece in cut(&message.encode(), &sizes) {
            decoder.push(Bytes::copy_from_slice(piece));
        }
        let mut events = Vec::new();
        drain(&mut decoder, &mut events).unwrap();
        prop_assert_eq!(decoder.finish(), Ok(()));
        prop_assert_eq!(events, message.events());
    }

    /// At every byte before the last, the message is not whole, and what came so far is a start of what was sent.
    #[test]
    fn a_message_cut_short_is_truncated_at_every_byte(message in message()) {
        let bytes = message.encode();
        let from = message.whole_from(&bytes);
        for end in 0..bytes.len() {
            let result = events(message.direction, [&bytes[..end]]);
            if end < from {
                prop_assert_eq!(result, Err(WireError::Truncated), "after {} of {} bytes", end, bytes.len());
            } else {
                prop_assert!(result.is_ok(), "raw bytes may end anywhere");
            }
        }
    }

    /// Frames in any order: the grammar decides, and nothing panics.
    #[test]
    fn frames_in_any_order_follow_the_grammar(kinds in prop::collection::vec(0u8..6, 0..8), is_request: bool) {
        let direction = if is_request { Direction::Request } else { Direction::Response };
        let frames: Vec<Vec<u8>> = kinds.iter().map(|kind| frame(*kind, 0, &[])).collect();
        let spelled: String = kinds.iter().map(|kind| ['h', 'i', 'd', 'e', 'u', 'x'][usize::from(*kind)]).collect();
        let start = if is_request { "h" } else { spelled.trim_start_matches('i').get(..1).unwrap_or("") };
        let rest = if is_request { &spelled[..] } else { spelled.trim_start_matches('i') };
        let is_message = start == "h" && rest.strip_prefix('h').is_some_and(|rest| {
            rest.starts_with('u') || rest.trim_start_matches('d') == "e"
        });
        let result = events(direction, frames.iter().map(Vec::as_slice));
        prop_assert_eq!(result.is_ok(), is_message, "{}: {:?}", spelled, result);
    }

    #[test]
    fn any_bytes_are_an_error_or_a_message_but_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for direction in [Direction::Request, Direction::Response] {
            prop_assert_eq!(events(direction, [&bytes[..]]), events(direction, cut(&bytes, &[1])));
        }
        let bytes = Bytes::from(bytes);
        let _ = RequestHead::decode(bytes.clone());
        let _ = ResponseHead::decode(bytes.clone());
        let _ = head::fields(bytes);
    }
}

#[test]
fn a_head_of_the_limit_passes_and_one_byte_more_does_not() {
    let overhead = encode_end(&fields(&[("x", &[b'v'; 1 << 14])])).unwrap().len() - 5 - (1 << 14);
    for (len, fits) in [(MAX_HEAD - 1, true), (MAX_HEAD, true), (MAX_HEAD + 1, false)] {
        let trailers = fields(&[("x", &vec![b'v'; len - overhead])]);
        let frame = encode_end(&trailers);
        if fits {
            let frame = frame.unwrap();
            assert_eq!(frame.len() - 5, len);
            assert_eq!(head::fields(frame.slice(5..)), Ok(trailers));
        } else {
            assert_eq!(frame, Err(WireError::TooLong { frame: FrameKind::End, len: len as u64, limit: MAX_HEAD }));
        }
    }
}

#[test]
fn the_decoder_refuses_a_frame_over_its_limit_from_its_header_alone() {
    let head = |kind: u8| match kind {
        2 | 3 => encode_response(&samples::response_heads().remove(0).1).unwrap().to_vec(),
        _ => Vec::new(),
    };
    for (kind, frame_kind, limit) in [
        (0, FrameKind::Head, MAX_HEAD),
        (1, FrameKind::Info, MAX_HEAD),
        (2, FrameKind::Data, MAX_DATA),
        (3, FrameKind::End, MAX_HEAD),
    ] {
        for len in [limit as u64 - 1, limit as u64] {
            let bytes = [head(kind), frame(kind, len, &[])].concat();
            assert_eq!(events(Direction::Response, [&bytes[..]]), Err(WireError::Truncated), "{frame_kind:?} {len}");
        }
        for len in [limit as u64 + 1, u64::from(u32::MAX), varint::MAX] {
            let bytes = [head(kind), frame(kind, len, &[])].concat();
            let expected = Err(WireError::TooLong { frame: frame_kind, len, limit });
            assert_eq!(events(Direction::Response, [&bytes[..]]), expected);
        }
    }
    let bytes = [head(2), frame(4, 1, &[])].concat();
    let expected = Err(WireError::TooLong { frame: FrameKind::Upgraded, len: 1, limit: 0 });
    assert_eq!(events(Direction::Response, [&bytes[..]]), expected);
}

#[test]
fn a_body_frame_of_the_limit_passes_whole() {
    let mut bytes = BytesMut::from(&encode_response(&samples::response_heads().remove(0).1).unwrap()[..]);
    data_header(MAX_DATA, &mut bytes);
    bytes.put_bytes(7, MAX_DATA);
    end(&mut bytes);
    let events = events(Direction::Response, cut(&bytes, &[1200])).unwrap();
    assert!(matches!(&events[1], Event::Data(body) if body.len() == MAX_DATA && body.iter().all(|byte| *byte == 7)));
}

#[test]
fn as_many_fields_as_allowed_and_not_one_more() {
    let name = |at: usize| HeaderName::from_bytes(format!("x-{}", at % 100).as_bytes()).unwrap();
    for (count, fits) in [(MAX_FIELDS - 1, true), (MAX_FIELDS, true), (MAX_FIELDS + 1, false)] {
        let mut trailers = HeaderMap::new();
        for at in 0..count {
            trailers.append(name(at), HeaderValue::from_static("v"));
        }
        assert_eq!(encode_end(&trailers).is_ok(), fits, "{count}");
        let payload: Vec<u8> = (0..count).flat_map(|_| *b"\x01x\x01v").collect();
        let decoded = head::fields(payload.into());
        assert_eq!(decoded.map(|fields| fields.len()), if fits { Ok(count) } else { Err(WireError::TooManyFields) });
    }
}

#[test]
fn an_encoder_that_fails_leaves_the_buffer_as_it_was() {
    let mut out = BytesMut::from(&b"before"[..]);
    let large = fields(&[("x", &vec![b'v'; MAX_HEAD])]);
    assert!(gantz_shared::wire::end_with_trailers(&large, |_| true, &mut out).is_err());
    assert!(gantz_shared::wire::info(StatusCode::EARLY_HINTS, &large, |_| true, &mut out).is_err());
    assert_eq!(out, "before");
}

#[test]
fn a_token_id_of_the_limit_passes_and_one_byte_more_does_not() {
    let (_, head) = samples::request_heads().remove(0);
    for (len, fits) in [(MAX_LABEL - 1, true), (MAX_LABEL, true), (MAX_LABEL + 1, false)] {
        let payload = encode_request(&RequestHead { token: "i".repeat(len), ..head.clone() }).unwrap().slice(5..);
        assert_eq!(RequestHead::decode(payload).is_ok(), fits, "{len}");
    }
}

/// Parts of which HTTP has no such: each is refused by name, and nothing of it is quoted.
#[test]
fn parts_that_http_does_not_allow_are_malformed() {
    let part = |bytes: &[u8]| frame(0, bytes.len() as u64, bytes)[1..].to_vec();
    let request = |method: &[u8], flags: u8, authority: &[u8], path: &[u8], client: &[u8], rest: &[u8]| {
        let parts = [part(method), vec![flags], part(authority), part(path), part(client), rest.to_vec()];
        RequestHead::decode(parts.concat().into()).map(drop)
    };
    let ok = &[0, 0][..];
    assert_eq!(request(b"GET", 0, b"a.test", b"/", &[], ok), Ok(()));
    for (given, what) in [
        (request(b"", 0, b"a.test", b"/", &[], ok), "method"),
        (request(b"GE T", 0, b"a.test", b"/", &[], ok), "method"),
        (request(b"GET", 4, b"a.test", b"/", &[], ok), "flags"),
        (request(b"GET", 0, b"", b"/", &[], ok), "authority"),
        (request(b"GET", 0, b"a b", b"/", &[], ok), "authority"),
        (request(b"GET", 0, b"a.test", b"", &[], ok), "path"),
        (request(b"GET", 0, b"a.test", b"/ HTTP/1.1\r\nx: y", &[], ok), "path"),
        (request(b"GET", 0, b"a.test", b"/a#fragment", &[], ok), "path"),
        (request(b"GET", 0, b"a.test", b"#", &[], ok), "path"),
        (request(b"GET", 0, b"a.test", b"/", &[1, 2, 3], ok), "client address"),
        (request(b"GET", 0, b"a.test", b"/", &[], &[1, 0xff, 0]), "token id"),
        (request(b"GET", 0, b"a.test", b"/", &[], &[0, 1, b'\n']), "upgrade"),
        (request(b"GET", 0, b"a.test", b"/", &[], &[0, 0, 0, 0]), "field name"),
        (request(b"GET", 0, b"a.test", b"/", &[], &[0, 0, 1, b'x', 2, b'\r', b'\n']), "field value"),
        (request(b"GET", 0, b"a.test", b"/", &[], &[0, 0, 1, b'x', 9, b'v']), "field value"),
        (request(b"GET", 0, b"a.test", b"/", &[], b"\0\0\x0aconnection\x05close"), "connection-specific field"),
        (request(b"GET", 0, b"a.test", b"/", &[], b"\0\0\x02te\x04gzip"), "connection-specific field"),
        (ResponseHead::decode(Bytes::from_static(&[0])).map(drop), "status"),
        (ResponseHead::decode(Bytes::from_static(&[0, 99, 0])).map(drop), "status"),
    ] {
        assert_eq!(given, Err(WireError::Malformed(what)));
    }
}

#[test]
fn an_upgrade_comes_straight_after_the_head() {
    let head = encode_response(&samples::response_heads().remove(2).1).unwrap();
    let mut bytes = BytesMut::from(&head[..]);
    upgraded(&mut bytes);
    bytes.put_slice(b"\x03\x00raw");
    let raw = Event::Raw(Bytes::from_static(b"\x03\x00raw"));
    assert_eq!(events(Direction::Response, cut(&bytes, &[1])).unwrap()[1..], [Event::Upgraded, raw]);

    let after_body = [&head[..], &[2, 0, 4, 0]].concat();
    let expected = Err(WireError::Unexpected { frame: FrameKind::Upgraded, expected: "DATA or END" });
    assert_eq!(events(Direction::Response, [&after_body[..]]), expected);
}

/// Frames stand one after the other on a stream; the streams of a tunnel know nothing of each other.
#[test]
fn messages_on_several_streams_do_not_mix() {
    let messages: Vec<Message> = (0..3u8)
        .map(|at| Message {
            direction: if at == 1 { Direction::Response } else { Direction::Request },
            heads: vec![encode_request(&samples::request_heads()[usize::from(at)].1).unwrap()],
            body: vec![vec![at; 100 + usize::from(at)]],
            trailers: HeaderMap::new(),
            upgraded: None,
        })
        .collect();
    let encoded: Vec<Vec<u8>> = messages.iter().map(Message::encode).collect();
    let mut decoders: Vec<Decoder> = messages.iter().map(|message| Decoder::new(message.direction)).collect();
    let mut bodies = [0usize; 3];
    for at in 0..encoded.iter().map(Vec::len).max().unwrap() {
        for (stream, decoder) in decoders.iter_mut().enumerate() {
            decoder.push(encoded[stream].get(at..=at).unwrap_or_default().to_vec().into());
            while let Some(event) = decoder.next().unwrap() {
                if let Event::Data(bytes) = event {
                    assert!(bytes.iter().all(|byte| usize::from(*byte) == stream));
                    bodies[stream] += bytes.len();
                }
            }
        }
    }
    assert_eq!(bodies, [100, 101, 102]);
    assert!(decoders.iter().all(|decoder| decoder.finish().is_ok()));
}
