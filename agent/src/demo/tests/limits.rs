//! What the demo refuses to carry, and that it says so.

use axum::http::Method;
use serde_json::json;

use super::{
    Demo, call,
    sse::{connect, open},
    text,
};
use crate::demo::{MAX_BODY_BYTES, MAX_COUNTS_AT_ONCE, MAX_SSE_SESSIONS};

#[tokio::test]
async fn a_client_that_does_not_read_is_told_so() {
    let demo = Demo::start().await;
    let (_unread, endpoint) = connect(&demo).await;
    let large = call("echo", json!({ "message": "x".repeat(1 << 18) }));
    let mut reply = demo.post(&endpoint, &large).await;
    // The sockets' buffers swallow the first answers; how many, is up to the system.
    for _ in 0..1000 {
        if reply.status() != 202 {
            break;
        }
        reply = demo.post(&endpoint, &large).await;
    }
    assert_eq!((reply.status(), reply.header("retry-after")), (503, "1"));
    assert_eq!(reply.json().await["error"], "too_many_messages");
}

#[tokio::test]
async fn counts_at_a_time_are_bounded() {
    let demo = Demo::start().await;
    let (mut stream, endpoint) = connect(&demo).await;
    for id in 0..=MAX_COUNTS_AT_ONCE {
        let mut count = call("count", json!({ "to": 100, "delay_ms": 1000 }));
        count["id"] = id.into();
        demo.post(&endpoint, &count).await;
    }
    let mut answer = stream.message().await;
    while answer["id"].is_null() {
        answer = stream.message().await;
    }
    assert_eq!(answer["result"]["isError"], true);
    assert_eq!(text(&answer), "at most 16 counts run at a time in a session");
}

#[tokio::test]
async fn sessions_are_bounded_and_a_closed_one_makes_room() {
    let demo = Demo::start().await;
    let mut open_ones = Vec::new();
    for _ in 0..MAX_SSE_SESSIONS {
        open_ones.push(open(&demo).await);
    }
    let refused = demo.get("/sse").await;
    assert_eq!((refused.status(), refused.header("retry-after")), (503, "1"));
    assert_eq!(refused.json().await["error"], "too_many_sessions");

    drop(open_ones);
    demo.idle().await;
    open(&demo).await;
}

#[tokio::test]
async fn the_limit_is_named_to_who_goes_over_it() {
    let demo = Demo::start().await;
    let (_stream, endpoint) = open(&demo).await;
    let reply = demo.send(Method::POST, &endpoint, &[], vec![b' '; MAX_BODY_BYTES + 1]).await;
    assert_eq!(reply.json().await["message"], "the body is larger than 4194304 bytes");
}
