//! The bridge for HTTP+SSE clients.

use axum::http::Method;
use serde_json::json;

use super::{Demo, Reply, call, initialize, initialized, text};
use crate::demo::MAX_BODY_BYTES;

/// Opens a stream, and takes its first event: where to post.
pub(super) async fn open(demo: &Demo) -> (Reply, String) {
    let mut stream = demo.get("/sse").await;
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.header("content-type"), "text/event-stream");
    let (event, endpoint) = stream.event().await.unwrap();
    assert_eq!(event, "endpoint");
    (stream, endpoint)
}

/// Opens a stream, and shakes hands on it.
pub(super) async fn connect(demo: &Demo) -> (Reply, String) {
    let (mut stream, endpoint) = open(demo).await;
    assert_eq!(demo.post(&endpoint, &initialize("2024-11-05")).await.status(), 202);
    let hello = stream.message().await;
    assert_eq!(hello["result"]["protocolVersion"], "2024-11-05");
    assert_eq!(hello["result"]["serverInfo"]["name"], "gantz-demo");
    assert_eq!(demo.post(&endpoint, &initialized()).await.status(), 202);
    (stream, endpoint)
}

#[tokio::test]
async fn the_endpoint_comes_first_and_is_relative() {
    let demo = Demo::start().await;
    let (_stream, endpoint) = open(&demo).await;
    let id = endpoint.strip_prefix("/messages?session_id=").unwrap();
    assert!(id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
}

#[tokio::test]
async fn a_message_is_accepted_and_answered_on_the_stream() {
    let demo = Demo::start().await;
    let (mut stream, endpoint) = connect(&demo).await;
    assert_eq!(demo.post(&endpoint, &call("echo", json!({ "message": "two\nlines" }))).await.status(), 202);
    let (event, data) = stream.event().await.unwrap();
    assert_eq!(event, "message");
    assert_eq!(text(&serde_json::from_str(&data).unwrap()), "two\nlines");
}

#[tokio::test]
async fn progress_comes_before_its_result() {
    let demo = Demo::start().await;
    let (mut stream, endpoint) = connect(&demo).await;
    demo.post(&endpoint, &call("count", json!({ "to": 2, "delay_ms": 0 }))).await;
    for number in [1.0, 2.0] {
        let progress = stream.message().await;
        assert_eq!(progress["method"], "notifications/progress");
        assert_eq!(
            progress["params"],
            json!({
                "progressToken": 7, "progress": number, "total": 2.0, "message": format!("{number} of 2"),
            })
        );
    }
    assert_eq!(text(&stream.message().await), "counted to 2");
}

#[tokio::test]
async fn two_sessions_do_not_hear_each_other() {
    let demo = Demo::start().await;
    let (mut one, to_one) = connect(&demo).await;
    let (mut other, to_other) = connect(&demo).await;
    demo.post(&to_other, &call("echo", json!({ "message": "other" }))).await;
    demo.post(&to_one, &call("echo", json!({ "message": "one" }))).await;
    assert_eq!(text(&one.message().await), "one");
    assert_eq!(text(&other.message().await), "other");
}

#[tokio::test]
async fn what_cannot_be_accepted_is_refused_in_json() {
    let demo = Demo::start().await;
    let (_stream, endpoint) = open(&demo).await;
    let large = vec![b' '; MAX_BODY_BYTES + 1];
    for (path, body, status, error) in [
        ("/messages?session_id=unknown", b"{}".to_vec(), 404, "unknown_session"),
        ("/messages", b"{}".to_vec(), 400, "missing_session"),
        (&endpoint, b"{".to_vec(), 400, "malformed_message"),
        (&endpoint, b"{}".to_vec(), 400, "malformed_message"),
        (&endpoint, large, 413, "body_too_large"),
        ("/elsewhere", b"{}".to_vec(), 404, "not_found"),
    ] {
        let reply = demo.send(Method::POST, path, &[], body).await;
        assert_eq!((reply.status(), reply.header("content-type")), (status, "application/json"), "{error}");
        assert_eq!(reply.json().await["error"], error);
    }
}

#[tokio::test]
async fn other_hosts_are_refused() {
    let demo = Demo::start().await;
    for path in ["/sse", "/mcp"] {
        let json = [("host", "attacker.example"), ("accept", "text/event-stream")];
        assert_eq!(demo.send(Method::GET, path, &json, "").await.status(), 403, "{path}");
    }
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8080"] {
        assert_eq!(demo.send(Method::GET, "/sse", &[("host", host)], "").await.status(), 200, "{host}");
    }
}
