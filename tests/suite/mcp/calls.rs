//! The agent's log of calls: a line for each, however it ends, that says who called what and holds no secret.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::any;
use bytes::Bytes;
use futures_util::StreamExt;
use gantz_agent::permissions::Permissions;
use gantz_agent::tokens::Spec;
use gantz_audit::{Limits, REDACTED};
use gantz_tests::{Builder, Origin, World, canary, echo, relay, within};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::scripted::{chunked, nobody, scripted};

/// A file for a log, gone with the test.
struct Log {
    folder: TempDir,
}

impl Log {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("calls/calls.log")
    }

    /// A world that writes its calls down here, without arguments.
    fn world(&self, server: Origin) -> Builder {
        relay().server(server).call_log(&self.path(), false, Limits::default())
    }

    /// Ends the world; what it has written down.
    async fn of(&self, world: World) -> Lines {
        let World { agent, calls, relay: _relay, server: _server, .. } = world;
        within("goodbye", agent.shutdown()).await;
        tokio::task::spawn_blocking(move || calls.unwrap().close()).await.unwrap();
        Lines::of(&self.path())
    }
}

/// What a log holds.
struct Lines(Vec<Value>);

impl Lines {
    fn of(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        if let Some(spelling) = canary::find(text.as_bytes()) {
            canary::leaked(text.as_bytes(), spelling);
        }
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &lines {
            assert!(line["time"].is_string() && line["event"] == "call" && line["duration_ms"].is_u64(), "{line}");
        }
        Self(lines)
    }

    /// The lines of the calls to `path`.
    fn to(&self, path: &str) -> Vec<&Value> {
        self.0.iter().filter(|line| line["path"] == path).collect()
    }

    /// The only one of them.
    fn one(&self, path: &str) -> &Value {
        let lines = self.to(path);
        assert_eq!(lines.len(), 1, "{path}: {:#?}", self.0);
        lines[0]
    }
}

/// Asserts that `line` says all of `expected`; what is null there may be missing.
fn assert_says(line: &Value, expected: &Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(line.get(key).unwrap_or(&Value::Null), value, "{key}: {line:#}");
    }
}

fn call(tool: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "arguments": arguments, "name": tool } })
}

/// Answers with what it got, and under `/events` with an event.
fn server() -> Origin {
    let events = async || ([("content-type", "text/event-stream")], "data: {}\n\n");
    Origin::axum(Router::new().route("/events", any(events)).fallback(async |body: Bytes| body.into_response()))
}

#[tokio::test]
async fn a_call_has_a_line_and_each_message_of_a_batch_its_own() {
    let log = Log::new();
    let world = log.world(server()).start().await;
    let echo = call("echo", &json!({ "message": "hi" }));
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let answer = json!({ "jsonrpc": "2.0", "id": "roots", "result": { "roots": [] } });
    let batch = json!([echo, ready]);
    let twice = r#"{"jsonrpc":"2.0","method":"ping","method":"tools/call"}"#.to_owned();
    for (method, path, body) in [
        (Method::POST, "/call?secret=query", echo.to_string()),
        (Method::POST, "/events", echo.to_string()),
        (Method::POST, "/notification", ready.to_string()),
        (Method::POST, "/answer", answer.to_string()),
        (Method::POST, "/batch", batch.to_string()),
        (Method::POST, "/no-json", "{".to_owned()),
        (Method::POST, "/ambiguous", twice),
        (Method::GET, "/get", String::new()),
        (Method::DELETE, "/delete", String::new()),
    ] {
        let request = world.client().request(method, format!("{}{path}", world.url)).bearer_auth(&world.token);
        // What it says of itself is not believed. Where it can be compared with the body, it is refused.
        let request = match path {
            "/no-json" | "/ambiguous" | "/get" | "/delete" => {
                request.header("mcp-method", "resources/read").header("mcp-name", "canary")
            }
            _ => request,
        };
        let request = if body.is_empty() { request } else { request.body(body) };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.bytes().await.unwrap();
    }
    // Who shows a wrong token does not reach the agent.
    let wrong = world.get("/wrong").bearer_auth(canary::OTHER_TOKEN).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);

    let lines = log.of(world).await;
    let length = echo.to_string().len();
    assert_says(
        lines.one("/call"),
        &json!({
            "token": "test", "token_id": "test", "http_method": "POST", "message": "request", "method": "tools/call",
            "tool": "echo", "status": 200, "bytes_in": length, "bytes_out": length,
            "arguments": null, "outcome": null, "code": null, "unread": null, "batch": null,
        }),
    );
    assert_says(lines.one("/events"), &json!({ "tool": "echo", "bytes_in": length, "bytes_out": 10 }));
    let none = json!({ "tool": null, "status": 200 });
    for (path, message, method) in [
        ("/notification", json!("notification"), json!("notifications/initialized")),
        ("/answer", json!("response"), Value::Null),
        ("/get", Value::Null, Value::Null),
        ("/delete", Value::Null, Value::Null),
    ] {
        assert_says(lines.one(path), &none);
        assert_says(lines.one(path), &json!({ "message": message, "method": method, "unread": null }));
    }
    assert_says(lines.one("/delete"), &json!({ "http_method": "DELETE", "bytes_in": 0, "bytes_out": 0 }));
    for (path, why) in [("/no-json", "not_json"), ("/ambiguous", "ambiguous")] {
        assert_says(lines.one(path), &json!({ "message": null, "method": null, "tool": null, "unread": why }));
    }
    let batch = lines.to("/batch");
    assert_eq!(batch.len(), 2);
    assert_says(batch[0], &json!({ "batch": 2, "message": "request", "tool": "echo", "status": 200 }));
    assert_says(batch[1], &json!({ "batch": 2, "message": "notification", "tool": null, "status": 200 }));
    assert_eq!(lines.0.len(), 10);
    let text = std::fs::read_to_string(log.path()).unwrap();
    for hidden in ["secret", "\"hi\"", "arguments", "resources/read", "canary"] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
}

#[tokio::test]
async fn the_token_is_named_by_its_label_and_a_refused_call_by_its_code() {
    let log = Log::new();
    let world = log.world(echo()).start().await;
    let permissions = Permissions { tools: Some("echo".parse().unwrap()), read_only: false };
    let spec = Spec { label: Some("viewer".into()), permissions, ..Spec::default() };
    let made = world.agent.tokens().add(spec).unwrap();
    within("the new token", world.agent.tokens().is_applied(made.generation)).await;
    let token = made.token.unwrap();
    for (path, tool, status) in [("/allowed", "echo", 200), ("/forbidden", "rm", 403)] {
        let post = world.post(path).bearer_auth(token.reveal()).header("content-type", "application/json");
        let answer = post.body(call(tool, &json!({})).to_string()).send().await.unwrap();
        assert_eq!(answer.status(), status);
        answer.bytes().await.unwrap();
    }
    let lines = log.of(world).await;
    let viewer = json!({ "token": "viewer", "token_id": made.ids[0], "method": "tools/call" });
    assert_says(lines.one("/allowed"), &viewer);
    assert_says(lines.one("/allowed"), &json!({ "tool": "echo", "status": 200, "outcome": null }));
    assert_says(lines.one("/forbidden"), &viewer);
    let refused = json!({ "tool": "rm", "status": 403, "outcome": "refused", "code": "insufficient_scope" });
    assert_says(lines.one("/forbidden"), &refused);
    assert!(lines.one("/forbidden")["bytes_out"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn an_open_tunnel_has_calls_without_a_token() {
    let log = Log::new();
    let world = log.world(echo()).open().start().await;
    world.post("/mcp").body(call("echo", &json!({})).to_string()).send().await.unwrap().bytes().await.unwrap();
    let lines = log.of(world).await;
    assert_says(lines.one("/mcp"), &json!({ "token": null, "token_id": null, "tool": "echo", "status": 200 }));
    assert!(lines.0[0].get("token").is_some(), "null, and not left out");
}

#[tokio::test]
async fn what_does_not_end_well_says_how() {
    let log = Log::new();
    let (server, mut calls) = scripted();
    let world = log.world(server).start().await;
    let client = world.client();
    let get = |path: &str| {
        let call = client.get(format!("{}{path}", world.url)).bearer_auth(&world.token);
        tokio::spawn(async move { call.send().await.unwrap().bytes_stream() })
    };
    let mut open = Vec::new();
    for path in ["/cancelled", "/lost"] {
        let caller = get(path);
        let (mut call, _) = calls.request().await;
        call.say(chunked("content-type: text/event-stream\r\n")).await;
        call.chunk("data: 1\n\n").await;
        let mut events = within("the head", caller).await.unwrap();
        assert_eq!(within("an event", events.next()).await.unwrap().unwrap(), "data: 1\n\n");
        open.push((call, events));
    }
    let (lost, mut events) = open.pop().unwrap();
    drop(lost);
    assert!(within("the end", events.next()).await.unwrap().is_err());
    let (mut cancelled, events) = open.pop().unwrap();
    drop(events);
    cancelled.closed().await;

    let lines = log.of(world).await;
    assert_says(lines.one("/cancelled"), &json!({ "status": 200, "bytes_out": 9, "outcome": "cancelled" }));
    assert_says(lines.one("/lost"), &json!({ "status": 200, "bytes_out": 9, "outcome": "upstream_lost" }));
}

#[tokio::test]
async fn a_call_that_a_stopped_agent_cuts_off_has_its_line() {
    let log = Log::new();
    let endless = async || {
        let first = futures_util::stream::once(async { Ok::<_, std::io::Error>(Bytes::from("data: 1\n\n")) });
        Body::from_stream(first.chain(futures_util::stream::pending()))
    };
    let world = log.world(Origin::axum(Router::new().route("/endless", any(endless)))).start().await;
    let answer = world.get("/endless").bearer_auth(&world.token).send().await.unwrap();
    let mut events = answer.bytes_stream();
    within("an event", events.next()).await.unwrap().unwrap();
    let lines = log.of(world).await;
    assert_says(lines.one("/endless"), &json!({ "status": 200, "bytes_out": 9, "outcome": "cut" }));
}

#[tokio::test]
async fn a_server_that_is_not_there_gave_no_status() {
    let log = Log::new();
    let gone = format!("http://{}", nobody()).parse().unwrap();
    let world = log.world(echo()).agent_config(|config| config.target = gone).start().await;
    let answer = world.get("/mcp").bearer_auth(&world.token).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let lines = log.of(world).await;
    assert_says(lines.one("/mcp"), &json!({ "status": null, "bytes_out": 0, "outcome": "upstream_unavailable" }));
}

#[tokio::test]
async fn a_large_body_goes_on_as_it_comes_and_is_not_read() {
    let log = Log::new();
    let (server, mut calls) = scripted();
    let world = log.world(server).start().await;
    let whole = call("echo", &json!({ "message": "x".repeat(200_000) })).to_string();
    let (first, rest) = whole.split_at(100_000);
    let mut caller = world.raw().await;
    let World { host, token, .. } = &world;
    let head = format!(
        "POST /large HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
        whole.len()
    );
    caller.send(head + first).await;
    let (mut served, _) = calls.request().await;
    // The last byte that was sent is there before another one is.
    served.until(&first[first.len() - 50_000..]).await;
    caller.send(rest).await;
    served.until(&rest[rest.len() - 50_000..]).await;
    served.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    caller.until("\r\n\r\nok").await;
    let lines = log.of(world).await;
    let expected = json!({
        "method": null, "tool": null, "unread": "too_large", "status": 200, "bytes_in": whole.len(), "bytes_out": 2,
    });
    assert_says(lines.one("/large"), &expected);
}

#[tokio::test]
async fn after_an_upgrade_bytes_are_counted_both_ways() {
    let log = Log::new();
    let (server, mut calls) = scripted();
    let world = log.world(server).start().await;
    let mut caller = world.raw().await;
    let World { host, token, .. } = &world;
    let fields = format!("host: {host}\r\nauthorization: Bearer {token}\r\nconnection: upgrade\r\nupgrade: words");
    caller.send(format!("GET /words HTTP/1.1\r\n{fields}\r\n\r\n")).await;
    let (mut served, _) = calls.request().await;
    served.say("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: words\r\n\r\nhello").await;
    caller.until("hello").await;
    caller.send("hi").await;
    served.until("hi").await;
    drop(served);
    caller.to_end().await;
    drop(caller);
    let lines = log.of(world).await;
    assert_says(lines.one("/words"), &json!({ "method": null, "status": 101, "bytes_in": 2, "bytes_out": 5 }));
}

#[tokio::test]
async fn arguments_are_there_when_they_are_asked_for_without_secrets() {
    let log = Log::new();
    let world = relay().server(echo()).call_log(&log.path(), true, Limits::default()).start().await;
    let arguments = json!({
        "message": "hi", "token": canary::TOKEN, "note": format!("curl -H 'Authorization: Bearer {}'", canary::TOKEN),
        "nested": { "api_key": "hunter2", "list": ["gtz_hunter2", "harmless"] },
    });
    let post = world.post("/mcp").bearer_auth(&world.token);
    post.body(call("echo", &arguments).to_string()).send().await.unwrap().bytes().await.unwrap();
    let prompt =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": { "name": "p", "arguments": {} } });
    let post = world.post("/prompt").bearer_auth(&world.token);
    post.body(prompt.to_string()).send().await.unwrap().bytes().await.unwrap();
    let lines = log.of(world).await;
    let expected = json!({
        "message": "hi", "token": REDACTED, "note": REDACTED,
        "nested": { "api_key": REDACTED, "list": [REDACTED, "harmless"] },
    });
    assert_says(lines.one("/mcp"), &json!({ "tool": "echo", "arguments": expected }));
    assert_says(lines.one("/prompt"), &json!({ "method": "prompts/get", "arguments": null }));
}

#[tokio::test]
async fn names_are_cut_and_cannot_forge_a_line() {
    let log = Log::new();
    let world = log.world(echo()).start().await;
    let forged = "echo\u{2028}{\"event\":\"call\"}";
    for (path, tool) in [("/forged", forged), ("/long", &"x".repeat(10_000))] {
        let post = world.post(path).bearer_auth(&world.token);
        post.body(call(tool, &json!({})).to_string()).send().await.unwrap().bytes().await.unwrap();
    }
    let lines = log.of(world).await;
    assert_says(lines.one("/forged"), &json!({ "tool": forged }));
    assert_eq!(lines.one("/long")["tool"].as_str().unwrap().chars().count(), 257);
    assert!(!std::fs::read_to_string(log.path()).unwrap().contains('\u{2028}'));
}

#[tokio::test]
async fn the_log_is_rotated_by_size() {
    let log = Log::new();
    let limits = Limits { file_size: 4 << 10, kept_files: 2, ..Limits::default() };
    let world = relay().server(echo()).call_log(&log.path(), false, limits).start().await;
    let client = world.client();
    for number in 0..60 {
        let get = client.get(format!("{}/{number}", world.url)).bearer_auth(&world.token);
        get.send().await.unwrap().bytes().await.unwrap();
    }
    let newest = log.of(world).await;
    let numbered = |number: u32| log.path().with_extension(format!("log.{number}"));
    let older = [1, 2].map(|number| Lines::of(&numbered(number)));
    assert!(!numbered(3).exists());
    assert!([&newest, &older[0], &older[1]].iter().all(|lines| !lines.0.is_empty()));
    assert_eq!(newest.to("/59").len(), 1);
    for number in [1, 2] {
        assert!(numbered(number).metadata().unwrap().len() <= limits.file_size);
    }
}
