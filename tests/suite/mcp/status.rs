//! Status discipline: what the local server answered passes as it is; what it failed to answer is told apart by code.

use std::time::Duration;

use gantz_tests::{Origin, World, logs, relay, within};
use tokio::net::TcpSocket;

use super::scripted::{Call, chunked, nobody, scripted};

/// Asserts an answer of the edge's own.
pub(crate) async fn assert_failure(answer: reqwest::Response, status: u16, code: &str) {
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers()["gantz-error"], code);
    assert_eq!(answer.headers()["content-type"], "application/json");
    if status == 503 {
        let seconds: u32 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds));
    } else {
        assert!(!answer.headers().contains_key("retry-after"));
    }
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["error"], code);
    assert!(body["message"].as_str().is_some_and(|message| message.len() > 10));
    assert!(body["request_id"].as_str().is_some_and(|id| !id.is_empty()));
}

async fn call(world: &World) -> reqwest::Response {
    within("an answer", world.post("/mcp").bearer_auth(&world.token).body("{}").send()).await.unwrap()
}

#[tokio::test]
async fn what_the_server_answered_passes_untouched() {
    let (server, mut calls) = scripted();
    let world = relay().server(server).start().await;
    for (status, fields, body) in [
        ("202 Accepted", "", ""),
        ("200 OK", "mcp-session-id: s-1\r\n", "{}"),
        ("400 Bad Request", "x-why: version\r\n", r#"{"jsonrpc":"2.0","error":{}}"#),
        ("401 Unauthorized", "www-authenticate: Bearer resource_metadata=\"https://auth.example\"\r\n", "mine"),
        ("403 Forbidden", "", "no"),
        ("404 Not Found", "mcp-session-id: gone\r\n", "session gone"),
        ("405 Method Not Allowed", "allow: POST\r\n", ""),
        ("421 Misdirected Request", "", "host"),
        ("429 Too Many Requests", "retry-after: 77\r\n", "slow"),
        ("500 Internal Server Error", "", "oops"),
        ("502 Bad Gateway", "", "mine"),
        ("503 Service Unavailable", "retry-after: 99\r\n", "mine"),
        ("599 Odd", "", "odd"),
    ] {
        let serve = async {
            let (mut call, _) = calls.request().await;
            let length = body.len();
            call.say(format!(
                "HTTP/1.1 {status}\r\n{fields}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            ))
            .await;
        };
        let (answer, ()) = tokio::join!(call(&world), serve);
        assert_eq!(answer.status().as_u16().to_string(), status[..3]);
        assert!(!answer.headers().contains_key("gantz-error"), "{status}");
        for line in fields.lines() {
            let (name, value) = line.split_once(": ").unwrap();
            assert_eq!(answer.headers().get_all(name).into_iter().collect::<Vec<_>>(), [value], "{status}");
        }
        if fields.is_empty() {
            for added in ["www-authenticate", "retry-after"] {
                assert!(!answer.headers().contains_key(added), "{status}");
            }
        }
        assert_eq!(answer.text().await.unwrap(), body);
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_held_for_a_moment_and_then_unavailable() {
    let nobody = nobody();
    let (server, _calls) = scripted();
    let world = relay()
        .server(server)
        .agent_config(move |config| config.target = nobody.to_string().parse().unwrap())
        .start()
        .await;
    let started = std::time::Instant::now();
    assert_failure(call(&world).await, 503, "upstream_unavailable").await;
    // Held, so that a restart goes unnoticed, but nowhere near a client's own timeout.
    assert!(started.elapsed() > gantz_agent::config::UPSTREAM_HOLD / 2);
}

#[tokio::test]
async fn a_server_that_comes_back_within_the_hold_answers() {
    let nobody = nobody();
    let (server, _calls) = scripted();
    let world = relay()
        .server(server)
        .agent_config(move |config| config.target = nobody.to_string().parse().unwrap())
        .start()
        .await;
    let refused = logs::when(&format!("connect error for {nobody}"));
    let answer = async {
        let client = world.client();
        within("an answer", client.post(&world.url).bearer_auth(&world.token).body("{}").send()).await.unwrap()
    };
    let restart = async {
        within("the first try", refused).await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(nobody).unwrap();
        let (stream, _) = within("the retry", socket.listen(8).unwrap().accept()).await.unwrap();
        let mut call = Call::new(stream);
        call.until("\r\n\r\n{}").await;
        call.say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nback").await;
        call
    };
    let (answer, _call) = tokio::join!(answer, restart);
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "back");
}

#[tokio::test]
async fn a_server_that_is_too_slow_is_a_timeout_and_hears_that_nobody_waits() {
    let (server, mut calls) = scripted();
    let world = relay()
        .server(server)
        .agent_config(|config| config.upstream_timeout = Duration::from_millis(200))
        .start()
        .await;
    let serve = async {
        let (mut call, _) = calls.request().await;
        call.closed().await;
    };
    let (answer, ()) = tokio::join!(call(&world), serve);
    assert_failure(answer, 504, "upstream_timeout").await;
}

#[tokio::test]
async fn the_timeout_ends_with_the_head() {
    let (server, mut calls) = scripted();
    let timeout = Duration::from_millis(200);
    let world = relay().server(server).agent_config(move |config| config.upstream_timeout = timeout).start().await;
    let serve = async {
        let (mut call, _) = calls.request().await;
        call.say(chunked("")).await;
        call
    };
    let (answer, mut late) = tokio::join!(call(&world), serve);
    // A call that begins now has its own timeout: when that is over, the older one's would be.
    let serve = async {
        let (mut silent, _) = calls.request().await;
        silent.closed().await;
    };
    let (silent, ()) = tokio::join!(call(&world), serve);
    assert_failure(silent, 504, "upstream_timeout").await;
    late.chunk("late").await;
    late.end().await;
    assert_eq!(within("the body", answer.text()).await.unwrap(), "late");
}

#[tokio::test]
async fn garbage_is_no_answer() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nbad field: 1\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        "",
    ] {
        let world = relay()
            .server(Origin::raw(move |stream| async move {
                let mut call = Call::new(stream);
                call.head().await;
                call.say(garbage).await;
            }))
            .start()
            .await;
        assert_failure(call(&world).await, 502, "upstream_invalid").await;
    }
}

#[tokio::test]
async fn a_server_that_dies_in_mid_answer_never_looks_like_one_that_is_done() {
    for head in [
        chunked("content-type: text/event-stream\r\n"),
        chunked(""),
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n".into(),
    ] {
        for http1 in [true, false] {
            let (server, mut calls) = scripted();
            let world = relay().server(server).start().await;
            let client = if http1 { world.http1() } else { world.client() };
            let serve = async {
                let (mut call, _) = calls.request().await;
                call.say(&head).await;
                if head.contains("chunked") {
                    call.chunk("data: 1\n\n").await;
                } else {
                    call.say("data: 1\n\n").await;
                }
                call
            };
            let request = client.get(&world.url).bearer_auth(&world.token).send();
            let (answer, call) = tokio::join!(within("the head", request), serve);
            let mut answer = answer.unwrap();
            assert_eq!(within("a piece", answer.chunk()).await.unwrap().unwrap(), "data: 1\n\n");
            drop(call);
            let body = within("the end", answer.bytes()).await;
            assert!(body.is_err(), "{head:?} ended cleanly with {body:?}");
        }
    }
}
