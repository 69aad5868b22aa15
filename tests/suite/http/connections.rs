//! The life of connections at both ends: who closes, who stays, and that no request is mixed up with its neighbour.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use gantz_tests::{World, echo};

use crate::caller::{EVERY_WAY, Over};
use crate::script::scripted;

const WAYS: [Over; 2] = [Over::Http1, Over::Plain];

pub(crate) fn post(world: &World, path: &str, version: &str, fields: &str, body: &str) -> String {
    let (host, token, length) = (&world.host, &world.token, body.len());
    format!(
        "POST {path} {version}\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
    )
}

#[tokio::test]
async fn a_caller_that_says_close_is_closed_after_its_answer() {
    for over in WAYS {
        let world = over.world(echo()).await;
        let mut raw = over.raw(&world).await;
        raw.send(post(&world, "/", "HTTP/1.1", "Connection: close\r\n", "hello")).await;
        let (is_clean, answer) = raw.to_end().await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(is_clean, "{over:?}");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "RFC 9112 §9.6, {over:?}: {answer}");
        assert!(!world.server.last().fields.contains_key("connection"), "it was the caller's connection that it meant");
    }
}

#[tokio::test]
async fn a_local_server_that_says_close_closes_nothing_of_the_callers() {
    for over in EVERY_WAY {
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let world = over
            .world(scripted(move |mut line| {
                counted.fetch_add(1, Ordering::Relaxed);
                async move {
                    line.head().await.unwrap();
                    line.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
                }
            }))
            .await;
        let mut caller = over.caller(&world).await;
        for _ in 0..5 {
            let (parts, body) = caller.get("/").await;
            assert_eq!((parts.status.as_u16(), body), (200, Bytes::from("ok")), "{over:?}");
            assert!(!parts.headers.contains_key("connection"));
        }
        assert_eq!(connections.load(Ordering::Relaxed), 5);
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_whole() {
    for over in EVERY_WAY {
        for version in ["HTTP/1.0", "HTTP/1.1"] {
            let world = over
                .world(scripted(move |mut line| async move {
                    line.head().await.unwrap();
                    line.say(format!("{version} 200 OK\r\nContent-Type: text/x\r\n\r\n")).await;
                    line.say("until the end").await;
                }))
                .await;
            let mut caller = over.caller(&world).await;
            for _ in 0..2 {
                let (parts, body) = caller.get("/").await;
                assert_eq!((parts.status.as_u16(), body), (200, Bytes::from("until the end")), "{over:?} {version}");
            }
        }
    }
}

#[tokio::test]
async fn connections_to_the_local_server_are_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let world = Over::Http1
        .world(scripted(move |mut line| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move {
                while line.head().await.is_some() {
                    line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                }
            }
        }))
        .await;
    let mut caller = Over::Http1.caller(&world).await;
    for _ in 0..50 {
        assert_eq!(caller.get("/").await.1, "ok");
    }
    // One more may be opened where a request comes before the connection of the one before it is back in its pool.
    let opened = connections.load(Ordering::Relaxed);
    assert!(opened < 10, "{opened} connections for 50 requests");
}

#[tokio::test]
async fn an_http_1_0_caller_gets_a_whole_answer_and_an_end() {
    for over in WAYS {
        let world = over.world(echo()).await;
        let mut raw = over.raw(&world).await;
        raw.send(post(&world, "/", "HTTP/1.0", "", "hello")).await;
        let (is_clean, answer) = raw.to_end().await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(is_clean, "{over:?}");
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    }
}

#[tokio::test]
async fn an_http_1_0_caller_gets_no_chunks() {
    for over in WAYS {
        let world = over
            .world(scripted(|mut line| async move {
                line.head().await.unwrap();
                line.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
                line.rest().await;
            }))
            .await;
        let mut raw = over.raw(&world).await;
        raw.send(post(&world, "/", "HTTP/1.0", "", "")).await;
        let (is_clean, answer) = raw.to_end().await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(is_clean, "{over:?}");
        assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
        assert!(!answer.to_lowercase().contains("transfer-encoding"), "RFC 9112 §6.1: {answer}");
    }
}

#[tokio::test]
async fn an_http_1_0_caller_may_keep_its_connection() {
    for over in WAYS {
        let world = over.world(echo()).await;
        let mut raw = over.raw(&world).await;
        for said in ["first", "second"] {
            raw.send(post(&world, "/", "HTTP/1.0", "Connection: keep-alive\r\n", said)).await;
            let answer = raw.until(&format!("\r\n\r\n{said}")).await;
            assert!(answer.to_lowercase().contains("connection: keep-alive\r\n"), "{over:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    for over in WAYS {
        let world = over.world(echo()).await;
        let mut raw = over.raw(&world).await;
        let all: String =
            (0..20).map(|n| post(&world, &format!("/{n}"), "HTTP/1.1", "", &format!("<body {n}>"))).collect();
        raw.send(all).await;
        for n in 0..20 {
            let answer = raw.until(&format!("\r\n\r\n<body {n}>")).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{over:?}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        }
        let paths: Vec<_> = world.server.requests().into_iter().map(|request| request.path).collect();
        assert_eq!(paths, (0..20).map(|n| format!("/{n}")).collect::<Vec<_>>());
    }
}
