//! What an agent holds whole for tokens with permissions: bounded for all callers together, and read beside the others.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, post};
use bytes::Bytes;
use futures_util::future::join_all;
use gantz_agent::permissions::{
    MAX_HELD_ANSWERS, MAX_HELD_REQUESTS, MAX_READ_HERE, MAX_REQUEST, Permissions, UNCOUNTED,
};
use gantz_agent::tokens::Spec;
use gantz_tests::{Origin, Raw, World, relay, within};
use http::StatusCode;
use serde_json::{Value, json};

use super::scripted::scripted;

const WHOLE: (usize, usize) = (MAX_HELD_REQUESTS, MAX_HELD_ANSWERS);

/// A token of this tunnel that may call `r*`.
async fn restricted(world: &World) -> String {
    let permissions = Permissions { tools: Some("r*".parse().unwrap()), read_only: false };
    let made = world.agent.tokens().add(Spec { permissions, ..Spec::default() }).unwrap();
    within("the new token", world.agent.tokens().is_applied(made.generation)).await;
    made.token.unwrap().reveal().to_owned()
}

/// Waits until this much is free, for requests and for answers.
async fn free(world: &World, expected: (usize, usize)) {
    let is_free = async {
        while world.agent.room().free() != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let outcome = tokio::time::timeout(Duration::from_secs(20), is_free).await;
    assert!(outcome.is_ok(), "{:?} is free, and not {expected:?}", world.agent.room().free());
}

/// A server that answers with what it got, however much.
fn echo() -> Origin {
    Origin::axum(Router::new().fallback(async |body: Bytes| body).layer(DefaultBodyLimit::disable()))
}

fn message(method: &str, len: usize) -> String {
    let text = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "text": "" } }).to_string();
    text.replace(r#""text":"""#, &format!(r#""text":"{}""#, "x".repeat(len - text.len())))
}

fn call(world: &World, token: &str, path: &str, body: String) -> reqwest::RequestBuilder {
    world.post(path).bearer_auth(token).header("content-type", "application/json").body(body)
}

/// A caller that has sent all of its body but for the last byte.
async fn all_but_the_last(world: &World, token: &str, body: &str) -> Raw {
    let mut caller = world.raw().await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        world.host,
        body.len()
    );
    caller.send(head).await;
    caller.send(&body[..body.len() - 1]).await;
    caller
}

async fn assert_busy(answer: reqwest::Response, is_to_be_retried: bool) {
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["gantz-error"], "agent_busy");
    assert_eq!(answer.headers().contains_key("retry-after"), is_to_be_retried);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"], "agent_busy");
}

#[tokio::test]
async fn requests_that_fit_pass_and_the_others_are_told() {
    const LEN: usize = 8 << 20;
    const FIT: usize = MAX_HELD_REQUESTS / LEN;
    let world = relay().server(echo()).start().await;
    let token = restricted(&world).await;
    let body = message("ping", LEN);
    let mut callers = Vec::new();
    for number in 1..=FIT {
        callers.push(all_but_the_last(&world, &token, &body).await);
        free(&world, (MAX_HELD_REQUESTS - number * (LEN - UNCOUNTED), MAX_HELD_ANSWERS)).await;
    }
    let before = world.server.requests().len();
    let refused = (0..6).map(|_| call(&world, &token, "/mcp", body.clone()).send());
    for answer in join_all(refused).await {
        assert_busy(answer.unwrap(), true).await;
    }
    assert_eq!(world.server.requests().len(), before, "the local server has not heard of them");
    // What is small has room, and whoever has no permissions needs none.
    let small = message("ping", UNCOUNTED);
    assert_eq!(call(&world, &token, "/mcp", small.clone()).send().await.unwrap().text().await.unwrap(), small);
    assert_eq!(call(&world, &world.token, "/mcp", body.clone()).send().await.unwrap().text().await.unwrap(), body);
    // Those that have their place keep it.
    for mut caller in callers {
        caller.send(&body[body.len() - 1..]).await;
        assert!(caller.until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
        caller.until(&body[..1000]).await;
    }
    free(&world, WHOLE).await;
    let answers = join_all((0..2).map(|_| call(&world, &token, "/mcp", body.clone()).send())).await;
    for answer in answers {
        assert_eq!(answer.unwrap().text().await.unwrap().len(), LEN);
    }
    free(&world, WHOLE).await;
}

#[tokio::test]
async fn a_body_that_is_not_sent_to_its_end_gives_its_room_back() {
    let world = relay().server(echo()).start().await;
    let token = restricted(&world).await;
    let body = message("ping", MAX_REQUEST);
    let callers = [all_but_the_last(&world, &token, &body).await, all_but_the_last(&world, &token, &body).await];
    free(&world, (2 * UNCOUNTED, MAX_HELD_ANSWERS)).await;
    drop(callers);
    free(&world, WHOLE).await;
}

#[tokio::test]
async fn answers_have_room_of_their_own() {
    const LEN: usize = 15 << 20;
    let (server, mut calls) = scripted();
    let world = relay().server(server).start().await;
    let token = restricted(&world).await;
    let ask = || tokio::spawn(call(&world, &token, "/mcp", message("ping", 100)).send());
    let answer = message("pong", LEN);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {LEN}\r\n\r\n");
    let mut open = Vec::new();
    for number in 1..=MAX_HELD_ANSWERS / LEN {
        let caller = ask();
        let (mut served, _) = calls.request().await;
        served.say(&head).await;
        served.say(&answer[..LEN - 1]).await;
        free(&world, (MAX_HELD_REQUESTS, MAX_HELD_ANSWERS - number * (LEN - UNCOUNTED))).await;
        open.push((served, caller));
    }
    let caller = ask();
    let (mut served, _) = calls.request().await;
    served.say(&head).await;
    // It is closed in the middle.
    served.try_say(&answer).await;
    assert_busy(within("an answer", caller).await.unwrap().unwrap(), false).await;

    // An event has no room either, and its stream is broken off; the one before it went out.
    let caller = ask();
    let (mut served, _) = calls.request().await;
    served.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: 1\n\n").await;
    let mut events = within("a head", caller).await.unwrap().unwrap();
    assert_eq!(within("an event", events.chunk()).await.unwrap().unwrap(), "data: 1\n\n");
    served.try_say(&format!("data: {answer}\n\n")).await;
    assert!(within("the end", events.chunk()).await.is_err());

    // Small answers and those that have their place pass.
    let caller = ask();
    let (mut served, _) = calls.request().await;
    served.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}").await;
    assert_eq!(within("an answer", caller).await.unwrap().unwrap().text().await.unwrap(), "{}");
    for (mut served, caller) in open {
        served.say(&answer[LEN - 1..]).await;
        let whole = within("an answer", caller).await.unwrap().unwrap().text();
        assert!(within("its end", whole).await.unwrap() == answer, "it came otherwise");
    }
    free(&world, WHOLE).await;
}

#[tokio::test]
async fn what_is_long_is_checked_as_what_is_short() {
    let list = |padding: usize| {
        let tools = json!([{ "name": "read", "description": "x".repeat(padding) }, { "name": "write" }]);
        json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": tools } }).to_string()
    };
    let events = move |padding: usize| async move {
        ([("content-type", "text/event-stream")], format!("data: {}\n\ndata: {{}}", list(padding)))
    };
    let json = move |padding: usize| async move { ([("content-type", "application/json")], list(padding)) };
    for padding in [10, 4 * MAX_READ_HERE] {
        let server = Router::new()
            .route("/events", post(move || events(padding)))
            .route("/json", post(move || json(padding)))
            .fallback(any(async |body: Bytes| body));
        let world = relay().server(Origin::axum(server)).start().await;
        let token = restricted(&world).await;
        for path in ["/events", "/json"] {
            let ask = call(&world, &token, path, message("tools/list", 200)).send().await.unwrap();
            let text = ask.text().await.unwrap();
            assert!(text.contains(r#""name":"read""#) && !text.contains("write"), "{path} {padding}: {text:.200}");
            assert!(text.len() > padding && (path == "/json" || text.ends_with("\n\ndata: {}")), "{text:.200}");
        }
        for (tool, status) in [("read", 200), ("write", 403)] {
            let arguments = json!({ "text": "x".repeat(padding) });
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                               "params": { "arguments": arguments, "name": tool } });
            let answer = call(&world, &token, "/mcp", body.to_string()).send().await.unwrap();
            assert_eq!(answer.status(), status, "{tool} {padding}");
        }
        let unreadable = message("ping", padding + 200) + "}";
        let answer = call(&world, &token, "/mcp", unreadable).send().await.unwrap();
        assert_eq!(answer.headers()["gantz-error"], "unreadable_request");
        free(&world, WHOLE).await;
    }
}
