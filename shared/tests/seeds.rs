//! The seeds of the fuzz targets (`tests/fuzz/seeds`) are the frozen samples of the protocol. After a sample has changed,
//! `WRITE_SEEDS=1 cargo test -p gantz-shared --test seeds` writes them again; seeds of other origin (findings) stay.

#![allow(clippy::unwrap_used)]

mod samples;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use samples::{encode_end, encode_info, encode_message, encode_request, encode_response};

/// Type byte and four-byte length, before a head's payload.
const FRAME_HEADER: usize = 5;

/// Length, before a control message's JSON.
const CONTROL_HEADER: usize = 4;

#[test]
fn the_seeds_are_the_frozen_samples() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds");
    let is_written = std::env::var_os("WRITE_SEEDS").is_some();
    seeds(&|target, name, bytes| {
        let path = folder.join(target).join(name.replace(", ", "-").replace(' ', "-").to_lowercase());
        if is_written {
            fs::create_dir_all(folder.join(target)).unwrap();
            fs::write(&path, bytes).unwrap();
        }
        let there = fs::read(&path).unwrap_or_default();
        assert_eq!(there, bytes, "{target}/{name} is old: WRITE_SEEDS=1 cargo test -p gantz-shared --test seeds");
    });
}

/// Gives each seed's target, name and bytes.
fn seeds(write: &dyn Fn(&str, &str, &[u8])) {
    let mut heads = Vec::new();
    for (name, head) in samples::request_heads() {
        let frame = encode_request(&head).unwrap();
        write("request_head", name, &frame[FRAME_HEADER..]);
        heads.push(frame);
    }
    let body = [&[2, 5][..], b"hello", &[2, 0, 2, 0x40, 3], b"abc"].concat();
    let (end, upgraded) = (&[3, 0][..], &[4, 0][..]);
    write("frames", "request without a body", &[&[0], &heads[0][..], end].concat());
    write("frames", "request with a body", &[&[0x20], &heads[1][..], &body, end].concat());
    write("frames", "request truncated", &[&[2], &heads[3][..], &body].concat());
    write("frames", "request upgraded", &[&[6], &heads[1][..], upgraded, b"raw \x00 bytes"].concat());

    let answers: Vec<Bytes> =
        samples::response_heads().iter().map(|(_, head)| encode_response(head).unwrap()).collect();
    let infos: Vec<Bytes> = samples::infos().iter().map(|(_, head)| encode_info(head).unwrap()).collect();
    for ((name, _), frame) in
        samples::response_heads().iter().chain(&samples::infos()).zip(answers.iter().chain(&infos))
    {
        write("response_head", name, &frame[FRAME_HEADER..]);
    }
    let mut trailers = Vec::new();
    for (name, fields) in samples::trailers() {
        trailers = encode_end(&fields).unwrap().to_vec();
        write("trailers", name, &trailers[FRAME_HEADER..]);
    }
    write("frames", "answer", &[&[0x11], &infos[0][..], &infos[1], &answers[1], &body, &trailers].concat());
    write("frames", "answer upgraded", &[&[3], &answers[2][..], upgraded, b"raw"].concat());
    write("frames", "answer trailing", &[&[1], &answers[0][..], end, end].concat());

    for (name, message) in samples::from_agent() {
        write("from_agent", name, &encode_message(&message)[CONTROL_HEADER..]);
    }
    write("from_agent", "stream", &encode_message(&samples::from_agent().remove(2).1));
    for (name, message) in samples::from_relay() {
        write("from_relay", name, &encode_message(&message)[CONTROL_HEADER..]);
    }
    write("from_relay", "stream", &encode_message(&samples::from_relay().remove(0).1));

    write("varint", "rfc samples", b"\xc2\x19\x7c\x5e\xff\x14\xe8\x8c\x9d\x7f\x3e\x7d\x7b\xbd\x25\x40\x25");
    write("varint", "truncated", b"\x25\xc2\x19");
    for (name, text) in [
        ("host", "Cool-Penguin-7f3k9q.Relay.TEST.:8443"),
        ("ipv4", "127.0.0.1:8080"),
        ("ipv6", "[FE80:0::1]:443"),
        ("name", "cool-penguin-7f3k9q"),
        ("encoded name", "xn--pypal-4ve"),
        ("token", "gtz_ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"),
        ("digest", "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"),
        ("padded token", "abcdefghijklmnopqrstuv=="),
    ] {
        write("names", name, text.as_bytes());
    }
    for (name, head) in [
        ("connection", "Connection: close, X-Secret ,, upgrade\nX-Secret: 1\nUpgrade: websocket\nTE: gzip, trailers"),
        ("length", "Content-Length: 7\nContent-Length: 007\nExpect: 100-continue"),
        ("events", "Content-Type: text/event-stream; charset=utf-8"),
        ("forwarding", "X-Forwarded_For: a\nforwarded: b\nX_Real-IP: c\nVia: d\nGantz_Error: e\nCF-Connecting-IP: f"),
    ] {
        write("field_filters", name, head.as_bytes());
    }
    for (name, stream) in [
        ("absolute", "\x08event: endpoint\ndata: http://localhost:8090/messages?s=1\n\nevent: message\ndata: {}\n\n"),
        ("crlf", "\x15: hi\r\n\r\nevent:endpoint\r\ndata:http://127.0.0.1:8090/m#f\r\n\r\nrest"),
        ("ipv6", "\x02data: http://[::1]:8090\nevent: endpoint\n\n"),
        ("unspecified", "\x00event: endpoint\ndata: http://0.0.0.0:8090/m\n\n"),
        ("relative", "\x01event: endpoint\ndata: /messages\nid: 1\n\n"),
        ("message", "\x0cdata: http://127.0.0.1:8090/m\n\n"),
    ] {
        write("endpoint", name, stream.as_bytes());
    }
}
