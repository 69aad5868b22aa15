//! `/mcp`, with sessions and without, and the tools.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Demo, Reply, call, initialize, initialized, text};
use crate::demo::{MAX_COUNT, MAX_DELAY_MS, TOOLS};

const JSON: (&str, &str) = ("content-type", "application/json");
const ACCEPT: (&str, &str) = ("accept", "application/json, text/event-stream");

/// Posts a call as 2026-07-28 has it: no session, and everything about it in this one request.
pub(super) async fn call_statelessly(demo: &Demo, tool: &str, arguments: Value) -> Reply {
    let mut message = call(tool, arguments);
    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    let version = ("mcp-protocol-version", "2026-07-28");
    let headers = [JSON, ACCEPT, version, ("mcp-method", "tools/call"), ("mcp-name", tool)];
    demo.send(Method::POST, "/mcp", &headers, message.to_string()).await
}

/// Shakes hands on a new session: its id.
pub(super) async fn connect(demo: &Demo) -> String {
    let mut hello = demo.send(Method::POST, "/mcp", &[JSON, ACCEPT], initialize("2025-06-18").to_string()).await;
    assert_eq!(hello.message().await["result"]["protocolVersion"], "2025-06-18");
    let session = hello.header("mcp-session-id").to_owned();
    let ready = in_session(demo, Method::POST, &session, initialized().to_string()).await;
    assert_eq!(ready.status(), 202);
    session
}

pub(super) async fn in_session(demo: &Demo, method: Method, session: &str, body: String) -> Reply {
    let headers = [JSON, ACCEPT, ("mcp-session-id", session), ("mcp-protocol-version", "2025-06-18")];
    demo.send(method, "/mcp", &headers, body).await
}

#[tokio::test]
async fn one_request_is_enough_for_a_result() {
    let demo = Demo::start().await;
    let reply = call_statelessly(&demo, "echo", json!({ "message": "hello" })).await;
    assert_eq!((reply.status(), reply.header("content-type")), (200, "application/json"));
    assert_eq!(text(&reply.json().await), "hello");
}

#[tokio::test]
async fn a_call_that_reports_progress_is_a_stream() {
    let demo = Demo::start().await;
    let mut reply = call_statelessly(&demo, "count", json!({ "to": 2, "delay_ms": 0 })).await;
    assert_eq!(reply.header("content-type"), "text/event-stream");
    assert_eq!(reply.message().await["params"]["message"], "1 of 2");
    assert_eq!(reply.message().await["params"]["message"], "2 of 2");
    assert_eq!(text(&reply.message().await), "counted to 2");
}

#[tokio::test]
async fn a_session_lives_until_it_is_deleted() {
    let demo = Demo::start().await;
    let session = connect(&demo).await;
    let three = call("add", json!({ "a": 1, "b": 2 })).to_string();
    let mut reply = in_session(&demo, Method::POST, &session, three.clone()).await;
    assert_eq!(text(&reply.message().await), "3");
    drop(reply);

    in_session(&demo, Method::DELETE, &session, String::new()).await;
    demo.idle().await;
    assert_eq!(in_session(&demo, Method::POST, &session, three).await.status(), 404);
}

#[tokio::test]
async fn both_spellings_of_the_path_work() {
    let demo = Demo::start().await;
    for path in ["/mcp", "/mcp/"] {
        let reply = demo.send(Method::POST, path, &[JSON, ACCEPT], initialize("2025-03-26").to_string()).await;
        assert_eq!(reply.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn the_tools_are_those_the_screen_names() {
    let mut offered: Vec<_> =
        crate::demo::Demo::tool_router().list_all().into_iter().map(|tool| tool.name.into_owned()).collect();
    let mut named = TOOLS.map(str::to_owned).to_vec();
    offered.sort();
    named.sort();
    assert_eq!(offered, named);
}

#[tokio::test]
async fn a_wrong_argument_is_a_tool_error_that_names_the_limit() {
    let demo = Demo::start().await;
    for (tool, arguments, complaint) in [
        ("count", json!({ "to": 0 }), "`to` must be from 1 to 100; it is 0"),
        ("count", json!({ "to": MAX_COUNT + 1 }), "`to` must be from 1 to 100; it is 101"),
        ("count", json!({ "to": 1, "delay_ms": MAX_DELAY_MS + 1 }), "`delay_ms` must be at most 1000 ms; it is 1001"),
        ("add", json!({ "a": f64::MAX, "b": f64::MAX }), "the sum must stay below 1.7976931348623157e308"),
    ] {
        let answer = call_statelessly(&demo, tool, arguments).await.json().await;
        assert_eq!(answer["result"]["isError"], true);
        assert_eq!(text(&answer), complaint);
    }
}

#[tokio::test]
async fn now_is_a_time_of_rfc_3339_in_utc() {
    let demo = Demo::start().await;
    let answer = call_statelessly(&demo, "now", json!({})).await.json().await;
    let now = text(&answer);
    assert!(now.ends_with('Z') && now.len() == "2026-07-28T12:00:00.000Z".len(), "{now}");
    assert!(now.parse::<jiff::Timestamp>().is_ok(), "{now}");
}
