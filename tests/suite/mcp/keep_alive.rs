//! Comment lines on event streams that are silent: only between events, and only where they change nothing.

use std::time::Duration;

use futures_util::StreamExt;
use gantz_tests::{World, relay, within};

use super::scripted::{Call, Calls, assert_end, chunked, scripted};

/// Short, so that silence is soon long enough.
const PERIOD: Duration = Duration::from_millis(100);

const COMMENT: &str = ": keep-alive\n\n";

async fn world() -> (World, Calls) {
    let (server, calls) = scripted();
    (relay().server(server).relay_config(|config| config.sse_keep_alive = PERIOD).start().await, calls)
}

/// Makes a call that the server answers with `head`.
async fn answered(world: &World, calls: &mut Calls, head: &str) -> (reqwest::Response, Call) {
    let serve = async {
        let (mut call, _) = calls.request().await;
        call.say(head).await;
        call
    };
    let (answer, call) = tokio::join!(world.post("/mcp").bearer_auth(&world.token).send(), serve);
    (answer.unwrap(), call)
}

/// Reads until `text` has come, and gives all that came.
async fn read(
    body: &mut (impl futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin),
    text: &str,
) -> String {
    let mut seen = String::new();
    while !seen.ends_with(text) {
        let piece = within(text, body.next()).await.expect("the stream goes on").unwrap();
        seen.push_str(std::str::from_utf8(&piece).unwrap());
    }
    seen
}

/// Lets several periods of the edge's clock go by: as many comments on a stream that begins now. One that was due on an
/// older stream would have been sent before the last of them.
async fn silence(world: &World, calls: &mut Calls) {
    let (answer, _call) = answered(world, calls, &chunked("content-type: text/event-stream\r\n")).await;
    let mut body = answer.bytes_stream();
    for _ in 0..4 {
        assert_eq!(read(&mut body, COMMENT).await, COMMENT);
    }
}

#[tokio::test]
async fn silence_is_filled_with_comments() {
    let (world, mut calls) = world().await;
    let (answer, mut call) = answered(&world, &mut calls, &chunked("content-type: text/event-stream\r\n")).await;
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    let mut body = answer.bytes_stream();
    // Before the first event, and again and again.
    assert_eq!(read(&mut body, COMMENT).await, COMMENT);
    assert_eq!(read(&mut body, COMMENT).await, COMMENT);
    for end in ["\n\n", "\r\n\r\n", "\r\r"] {
        let event = format!("id: 1\ndata: {{}}{end}");
        call.chunk(&event).await;
        assert!(read(&mut body, &event).await.ends_with(&event));
        assert_eq!(read(&mut body, COMMENT).await, COMMENT, "after {end:?}");
    }
}

#[tokio::test]
async fn never_inside_an_event() {
    let (world, mut calls) = world().await;
    let (answer, mut call) = answered(&world, &mut calls, &chunked("content-type: text/event-stream\r\n")).await;
    let mut body = answer.bytes_stream();
    for (half, rest) in [("data: {\"a\"", ":1}\n\n"), ("event: message\n", "data: x\n\n"), ("data: x\r\n", "\r\n")] {
        call.chunk(half).await;
        let seen = read(&mut body, half).await;
        assert!(seen.replace(COMMENT, "") == half, "{seen:?}");
        silence(&world, &mut calls).await;
        call.chunk(rest).await;
        assert_eq!(read(&mut body, rest).await, rest);
    }
}

#[tokio::test]
async fn never_where_it_would_be_part_of_the_body() {
    let (world, mut calls) = world().await;
    let events = "content-type: text/event-stream\r\n";
    for (head, is_buffering_off) in [
        (format!("HTTP/1.1 200 OK\r\n{events}content-length: 20\r\n\r\n"), None),
        (chunked(&format!("{events}content-encoding: gzip\r\n")), None),
        (chunked("content-type: application/json\r\n"), Some(false)),
        (chunked("content-type: text/event-streams\r\n"), Some(false)),
        (chunked(""), Some(false)),
    ] {
        let (answer, mut call) = answered(&world, &mut calls, &head).await;
        if let Some(expected) = is_buffering_off {
            assert_eq!(answer.headers().contains_key("x-accel-buffering"), expected, "{head}");
        }
        silence(&world, &mut calls).await;
        let body = "twenty bytes of body";
        if head.contains("chunked") {
            call.chunk(body).await;
            call.end().await;
        } else {
            call.say(body).await;
        }
        assert_eq!(within("the body", answer.text()).await.unwrap(), body, "{head}");
    }
}

#[tokio::test]
async fn compressed_events_pass_untouched() {
    let (world, mut calls) = world().await;
    let head = chunked("content-type: text/event-stream\r\ncontent-encoding: gzip\r\nvary: accept-encoding\r\n");
    let (answer, mut call) = answered(&world, &mut calls, &head).await;
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.bytes_stream();
    for piece in [&b"\x1f\x8b\x08\x00\x00\x00"[..], b"\n\n", b"\xff\xfe\n\n", b"data: http://localhost/\n\n"] {
        call.chunk(piece).await;
        assert_eq!(within("a piece", body.next()).await.unwrap().unwrap(), piece);
        silence(&world, &mut calls).await;
    }
    call.end().await;
    assert_end(&mut body).await;
}
