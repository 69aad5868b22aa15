//! `gantz/1` on the wire, byte for byte. A snapshot that changes is a protocol that changed: peers in the field speak
//! the old one, so such a change needs another ALPN (`limits::ALPN`), or has to be one that they ignore.

#![allow(clippy::unwrap_used, clippy::panic)]

mod samples;

use std::fmt::Write;

use bytes::{Bytes, BytesMut};
use gantz_shared::control::{self, FromAgent, FromRelay};
use gantz_shared::limits;
use gantz_shared::reset::{CloseCode, StreamCode};
use gantz_shared::wire::head::{self, RequestHead, ResponseHead};
use gantz_shared::wire::{Decoder, Direction, Event};
use samples::{encode_end, encode_info, encode_message, encode_request, encode_response};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Sixteen bytes a line, in hex and, where it has some, in ASCII.
fn dump(out: &mut String, name: &str, bytes: &[u8]) {
    writeln!(out, "{name} ({} bytes)", bytes.len()).unwrap();
    for line in bytes.chunks(16) {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String =
            line.iter().map(|&byte| if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '.' }).collect();
        writeln!(out, "  {:47}  {text}", hex.join(" ")).unwrap();
    }
}

/// The one event of these bytes.
fn only_event(direction: Direction, bytes: &Bytes) -> Event {
    let mut decoder = Decoder::new(direction);
    decoder.push(bytes.clone());
    let event = decoder.next().unwrap().unwrap();
    assert_eq!(decoder.next(), Ok(None));
    event
}

#[test]
fn request_heads() {
    let mut out = String::new();
    for (name, head) in samples::request_heads() {
        let frame = encode_request(&head).unwrap();
        dump(&mut out, &format!("HEAD of a request, {name}"), &frame);
        let Event::Head(payload) = only_event(Direction::Request, &frame) else { panic!("no HEAD") };
        assert_eq!(RequestHead::decode(payload), Ok(head));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn response_heads() {
    let mut out = String::new();
    for (name, head) in samples::response_heads() {
        let frame = encode_response(&head).unwrap();
        dump(&mut out, &format!("HEAD of an answer, {name}"), &frame);
        let Event::Head(payload) = only_event(Direction::Response, &frame) else { panic!("no HEAD") };
        assert_eq!(ResponseHead::decode(payload), Ok(head));
    }
    for (name, head) in samples::infos() {
        let frame = encode_info(&head).unwrap();
        dump(&mut out, &format!("INFO, {name}"), &frame);
        let Event::Info(payload) = only_event(Direction::Response, &frame) else { panic!("no INFO") };
        assert_eq!(ResponseHead::decode(payload), Ok(head));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn other_frames() {
    let mut out = String::new();
    for (name, frame) in samples::other_frames() {
        dump(&mut out, name, &frame);
    }
    for (name, fields) in samples::trailers() {
        let frame = encode_end(&fields).unwrap();
        dump(&mut out, &format!("END with trailers, {name}"), &frame);
        let mut decoder = Decoder::new(Direction::Response);
        decoder.push([&encode_response(&samples::response_heads().remove(0).1).unwrap()[..], &frame].concat().into());
        decoder.next().unwrap();
        let Some(Event::End(payload)) = decoder.next().unwrap() else { panic!("no END") };
        assert_eq!(head::fields(payload), Ok(fields));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn messages_of_the_agent() {
    insta::assert_snapshot!(messages::<FromAgent>(samples::from_agent()));
}

#[test]
fn messages_of_the_relay() {
    insta::assert_snapshot!(messages::<FromRelay>(samples::from_relay()));
}

/// A control message is its length in hex and its JSON, which is text already.
fn messages<M: Serialize + DeserializeOwned>(samples: Vec<samples::Named<M>>) -> String {
    let mut out = String::new();
    for (name, message) in samples {
        let frame = encode_message(&message);
        let (length, json) = frame.split_at(4);
        let text = std::str::from_utf8(json).unwrap();
        writeln!(out, "{name}\n  {length:02x?}\n  {text}").unwrap();
        let decoded: M = control::decode(&mut BytesMut::from(&frame[..])).unwrap().unwrap();
        assert_eq!(encode_message(&decoded), frame, "{name}");
    }
    out
}

/// The codes are written out again here, so that neither a number nor a name can move.
#[test]
fn codes_of_streams_and_tunnels() {
    let streams = [
        (StreamCode::Dropped, 0),
        (StreamCode::Protocol, 1),
        (StreamCode::Cancelled, 2),
        (StreamCode::NotNeeded, 3),
        (StreamCode::BodyAborted, 4),
        (StreamCode::BodyTooLarge, 5),
        (StreamCode::UpstreamUnavailable, 16),
        (StreamCode::UpstreamTimeout, 17),
        (StreamCode::UpstreamInvalid, 18),
        (StreamCode::UpstreamLost, 19),
        (StreamCode::Leaving, 20),
        (StreamCode::UpstreamTooLarge, 21),
    ];
    let tunnels = [
        (CloseCode::Done, 0),
        (CloseCode::Protocol, 1),
        (CloseCode::HandshakeTimeout, 2),
        (CloseCode::Refused, 3),
        (CloseCode::Replaced, 4),
        (CloseCode::ShuttingDown, 5),
    ];
    for (code, number) in streams {
        assert_eq!((code.code(), StreamCode::from_code(number.into())), (number, code));
    }
    for (code, number) in tunnels {
        assert_eq!((code.code(), CloseCode::from_code(number.into())), (number, Some(code)));
    }
    // A code that is added has to be added above.
    for number in 0..=0xffff {
        let stream =
            streams.iter().find(|known| u64::from(known.1) == number).map_or(StreamCode::Dropped, |known| known.0);
        let tunnel = tunnels.iter().find(|known| u64::from(known.1) == number).map(|known| known.0);
        assert_eq!((StreamCode::from_code(number), CloseCode::from_code(number)), (stream, tunnel), "{number}");
    }
}

/// A peer may count on every one of these.
#[test]
fn limits_both_ends_know() {
    let alpn = String::from_utf8_lossy(limits::ALPN);
    let table = [
        ("default port", limits::DEFAULT_PORT.to_string()),
        ("handshake deadline", format!("{:?}", limits::HANDSHAKE_DEADLINE)),
        ("open stream deadline", format!("{:?}", limits::OPEN_STREAM_DEADLINE)),
        ("keep-alive interval", format!("{:?}", limits::KEEP_ALIVE_INTERVAL)),
        ("idle timeout", format!("{:?}", limits::IDLE_TIMEOUT)),
        ("request streams", limits::MAX_REQUEST_STREAMS.to_string()),
        ("stream window", limits::STREAM_WINDOW.to_string()),
        ("connection window", limits::CONNECTION_WINDOW.to_string()),
        ("send window", limits::SEND_WINDOW.to_string()),
        ("control message", limits::MAX_CONTROL_MESSAGE.to_string()),
        ("head", limits::MAX_HEAD.to_string()),
        ("fields", limits::MAX_FIELDS.to_string()),
        ("data", limits::MAX_DATA.to_string()),
        ("tokens", limits::MAX_TOKENS.to_string()),
        ("label", limits::MAX_LABEL.to_string()),
        ("allowed origins", limits::MAX_ALLOWED_ORIGINS.to_string()),
        ("shortest token", limits::MIN_TOKEN_LEN.to_string()),
        ("longest token", limits::MAX_TOKEN_LEN.to_string()),
        ("name", limits::MAX_NAME_LEN.to_string()),
        ("retry after", limits::RETRY_AFTER_SECS.to_string()),
    ];
    let mut out = format!("{:22}{alpn}\n", "ALPN");
    for (name, value) in table {
        writeln!(out, "{name:22}{value}").unwrap();
    }
    insta::assert_snapshot!(out);
}
