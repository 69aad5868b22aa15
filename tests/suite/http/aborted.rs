//! What breaks off is seen to break off, in both directions: a part is never taken for the whole.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::Method;
use tokio::sync::Notify;

use crate::caller::{Caller, EVERY_WAY, Over, next, nothing, piece};
use crate::script::scripted;

const DECLARED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Calls a server that breaks off: what came of its answer before it did.
async fn before_the_break(caller: &mut Caller) -> Bytes {
    let request = caller.request(Method::GET, "/").body(nothing()).unwrap();
    let answer = caller.send(request).await.unwrap();
    assert_eq!(answer.status(), 200, "{answer:?}");
    let mut body = answer.into_body();
    let mut seen = BytesMut::new();
    loop {
        match next(&mut body).await {
            Some(Ok(piece)) => seen.extend_from_slice(&piece),
            Some(Err(_)) => return seen.freeze(),
            None => panic!("passed off as whole: {seen:?}"),
        }
    }
}

/// Whatever the server said before it went is with the caller, and then the break.
#[tokio::test]
async fn an_answer_that_breaks_off_is_reset() {
    let broken = [
        (format!("{DECLARED}part"), "part"),
        (DECLARED.to_owned(), ""),
        (format!("{CHUNKED}4\r\npart\r\n"), "part"),
        (format!("{CHUNKED}40\r\npart"), "part"),
        (format!("{CHUNKED}4\r\npart\r\n0\r\n"), "part"),
        (format!("{CHUNKED}4\r\npart\r\nzz\r\n"), "part"),
        (CHUNKED.to_owned(), ""),
    ];
    for over in EVERY_WAY {
        for (answer, part) in &broken {
            let said = answer.clone();
            let world = over
                .world(scripted(move |mut line| {
                    let said = said.clone();
                    async move {
                        line.head().await.unwrap();
                        line.say(said).await;
                    }
                }))
                .await;
            let mut caller = over.caller(&world).await;
            assert_eq!(before_the_break(&mut caller).await, part, "{over:?} {answer:?}");
        }
    }
}

/// The head and the first piece are with the caller before the server goes.
#[tokio::test]
async fn an_answer_that_breaks_off_later_is_reset() {
    for over in EVERY_WAY {
        for head in [DECLARED, CHUNKED] {
            let go = Arc::new(Notify::new());
            let told = go.clone();
            let world = over
                .world(scripted(move |mut line| {
                    let told = told.clone();
                    async move {
                        line.head().await.unwrap();
                        line.say(head).await;
                        line.say(if head == CHUNKED { "4\r\npart\r\n" } else { "part" }).await;
                        told.notified().await;
                    }
                }))
                .await;
            let mut caller = over.caller(&world).await;
            let request = caller.request(Method::GET, "/").body(nothing()).unwrap();
            let mut body = caller.send(request).await.unwrap().into_body();
            assert_eq!(piece(&mut body).await, "part");
            go.notify_one();
            let ended = next(&mut body).await;
            assert!(matches!(ended, Some(Err(_))), "{over:?} {head:?}: {ended:?}");
            if over == Over::Http2 {
                // Only the stream was reset: its neighbours go on, and so does the connection.
                go.notify_one();
                assert_eq!(before_the_break(&mut caller).await, "part", "the server breaks off again");
            }
        }
    }
}

/// An HTTP/1.0 caller has only the end of its connection to go by.
#[tokio::test]
async fn an_http_1_0_caller_sees_no_clean_end() {
    for over in [Over::Http1, Over::Plain] {
        let go = Arc::new(Notify::new());
        let told = go.clone();
        let world = over
            .world(scripted(move |mut line| {
                let told = told.clone();
                async move {
                    line.head().await.unwrap();
                    line.say(CHUNKED).await;
                    line.say("4\r\npart\r\n").await;
                    told.notified().await;
                }
            }))
            .await;
        let mut raw = over.raw(&world).await;
        let (host, token) = (&world.host, &world.token);
        raw.send(format!("GET / HTTP/1.0\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n")).await;
        assert!(raw.until("\r\n\r\npart").await.starts_with("HTTP/1.0 200 OK\r\n"));
        go.notify_one();
        let (is_clean, seen) = raw.to_end().await;
        assert!(!is_clean && seen.is_empty(), "{over:?} {:?}", String::from_utf8_lossy(&seen));
    }
}

#[tokio::test]
async fn a_server_that_closes_without_an_answer_or_says_garbage_is_502_and_which_is_said() {
    let broke_off = "The local server behind this tunnel broke off before it had answered.";
    let no_http = "What the local server behind this tunnel answered is no HTTP that can be passed on.";
    for over in EVERY_WAY {
        for (said, message) in [
            ("", broke_off),
            ("HTTP/1.1 200", broke_off),
            ("HTTP/1.1 200 OK\r\nContent-Le", broke_off),
            ("SSH-2.0-OpenSSH\r\n", no_http),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", no_http),
        ] {
            let world = over
                .world(scripted(move |mut line| async move {
                    line.head().await.unwrap();
                    line.say(said).await;
                }))
                .await;
            let (parts, body) = over.caller(&world).await.get("/").await;
            assert_eq!(parts.status, 502, "{over:?} {said:?}");
            assert_eq!(parts.headers["gantz-error"], "upstream_invalid");
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["message"], message, "{over:?} {said:?}");
        }
    }
}

#[tokio::test]
async fn more_than_the_declared_length_does_not_get_through() {
    for over in EVERY_WAY {
        let world = over
            .world(scripted(|mut line| async move {
                line.head().await.unwrap();
                line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n").await;
                line.rest().await;
            }))
            .await;
        let mut caller = over.caller(&world).await;
        for _ in 0..3 {
            assert_eq!(caller.get("/").await.1, "ok", "{over:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_of_two_lengths_is_502() {
    for over in EVERY_WAY {
        let world = over
            .world(scripted(|mut line| async move {
                line.head().await.unwrap();
                line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk").await;
            }))
            .await;
        assert_eq!(over.caller(&world).await.get("/").await.0.status, 502, "{over:?}");
    }
}
