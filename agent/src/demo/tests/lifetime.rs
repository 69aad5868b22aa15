//! What ends what: a client that leaves ends its call or session, and a shutdown ends them all.

use axum::http::Method;
use serde_json::json;

use super::{
    Demo, call, initialize, soon,
    streamable::{call_statelessly, connect, in_session},
};

/// Longer than any of these tests is willing to wait.
fn endless() -> serde_json::Value {
    json!({ "to": 100, "delay_ms": 1000 })
}

#[tokio::test]
async fn a_session_and_its_calls_end_with_its_stream() {
    let demo = Demo::start().await;
    let mut stream = demo.get("/sse").await;
    let (_, endpoint) = stream.event().await.unwrap();
    demo.post(&endpoint, &initialize("2024-11-05")).await;
    stream.message().await;
    // Without a progress token the count meets nothing that could stop it, but being told.
    let mut count = call("count", endless());
    count["id"] = json!(2);
    count["params"]["_meta"] = json!({});
    demo.post(&endpoint, &count).await;
    demo.post(&endpoint, &call("now", json!({}))).await;
    stream.message().await;

    drop(stream);
    demo.idle().await;
    let late = demo.post(&endpoint, &call("now", json!({}))).await;
    assert_eq!(late.status(), 404);
    assert_eq!(late.json().await["error"], "unknown_session");
}

#[tokio::test]
async fn a_session_that_never_began_ends_with_its_stream() {
    let demo = Demo::start().await;
    let mut stream = demo.get("/sse").await;
    let (_, endpoint) = stream.event().await.unwrap();
    drop(stream);
    demo.idle().await;
    assert_eq!(demo.post(&endpoint, &initialize("2024-11-05")).await.status(), 404);
}

#[tokio::test]
async fn leaving_a_stateless_call_cancels_it() {
    let demo = Demo::start().await;
    let mut counting = call_statelessly(&demo, "count", endless()).await;
    assert_eq!(counting.message().await["params"]["message"], "1 of 100");
    drop(counting);
    demo.idle().await;
}

#[tokio::test]
async fn shutdown_ends_an_open_stream_cleanly() {
    let demo = Demo::start().await;
    let mut stream = demo.get("/sse").await;
    let (_, endpoint) = stream.event().await.unwrap();
    demo.post(&endpoint, &initialize("2024-11-05")).await;
    stream.message().await;

    demo.shutdown.cancel();
    assert_eq!(stream.event().await, None);
    demo.stopped().await.unwrap();
}

#[tokio::test]
async fn shutdown_ends_sessions_and_the_calls_in_them() {
    let demo = Demo::start().await;
    let session = connect(&demo).await;
    let mut counting = in_session(&demo, Method::POST, &session, call("count", endless()).to_string()).await;
    assert_eq!(counting.message().await["params"]["message"], "1 of 100");
    let handlers = std::sync::Arc::clone(&demo.handlers);

    demo.stopped().await.unwrap();
    assert_eq!(handlers.available_permits(), super::MAX_HANDLERS as usize);
}

#[tokio::test]
async fn shutdown_does_not_wait_for_who_reads_nothing() {
    let demo = Demo::start().await;
    let mut stream = demo.get("/sse").await;
    let (_, endpoint) = stream.event().await.unwrap();
    demo.post(&endpoint, &initialize("2024-11-05")).await;
    // More than any socket buffer holds, and nobody reads it.
    let large = call("echo", json!({ "message": "x".repeat(3 << 20) }));
    for _ in 0..4 {
        demo.post(&endpoint, &large).await;
    }
    demo.stopped().await.unwrap();
}

#[tokio::test]
async fn dropping_serve_stops_the_sessions() {
    let mut demo = Demo::start().await;
    connect(&demo).await;
    demo.serving.abort_all();
    assert!(soon(demo.serving.join_next()).await.unwrap().is_err());
    demo.idle().await;
}
