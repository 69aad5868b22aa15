//! `Expect: 100-continue` (RFC 9110 §10.1.1): the local server decides, not the edge.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use gantz_tests::{Raw, World, within};
use tokio::sync::mpsc;

use crate::caller::Over;
use crate::interim::layer_below;
use crate::script::scripted;

const WAYS: [Over; 2] = [Over::Http1, Over::Plain];

async fn ask(over: Over, world: &World, fields: &str) -> Raw {
    let mut raw = over.raw(world).await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nExpect: 100-continue\r\n{fields}\r\n",
        world.host, world.token
    );
    raw.send(head).await;
    raw
}

#[tokio::test]
async fn the_servers_100_is_passed_once_and_the_body_follows() {
    for over in WAYS {
        let (told, mut heard) = mpsc::unbounded_channel();
        let world = over
            .world(scripted(move |mut line| {
                let told = told.clone();
                async move {
                    let head = line.head().await.unwrap();
                    told.send(head).unwrap();
                    line.say("HTTP/1.1 100 Continue\r\n\r\n").await;
                    told.send(line.until("hello").await.unwrap()).unwrap();
                    line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                    line.rest().await;
                }
            }))
            .await;
        let mut raw = ask(over, &world, "Content-Length: 5\r\n").await;
        let head = within("the head", heard.recv()).await.unwrap();
        assert!(head.to_lowercase().contains("expect: 100-continue"), "{head}");
        assert_eq!(raw.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n", "{over:?}");
        assert!(heard.try_recv().is_err(), "the body is not there before it is sent");
        raw.send("hello").await;
        assert_eq!(within("the body", heard.recv()).await.unwrap(), "hello");
        let answer = raw.until("\r\n\r\nok").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "one 100 and no more: {answer}");
    }
}

#[tokio::test]
async fn a_refusal_comes_instead_and_the_server_never_sees_a_body() {
    for over in WAYS {
        for status in ["417 Expectation Failed", "401 Unauthorized"] {
            let (told, mut heard) = mpsc::unbounded_channel();
            // Large enough that it does not fit into what lies ready when the head is read.
            let body = "n".repeat(3 << 20);
            let world = over
                .world(scripted(move |mut line| {
                    let (told, body) = (told.clone(), body.clone());
                    async move {
                        line.head().await.unwrap();
                        line.say(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
                        told.send(line.rest().await).unwrap();
                    }
                }))
                .await;
            let mut raw = ask(over, &world, "Content-Length: 5\r\n").await;
            let head = raw.until("\r\n\r\n").await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "no 100 before it: {head}");
            // The refusal is whole, body and all.
            let mut length = 0;
            while length < 3 << 20 {
                length += raw.until("n").await.len();
            }
            assert_eq!(length, 3 << 20);
            drop(raw);
            assert_eq!(within("the end", heard.recv()).await.unwrap(), "", "{over:?}: no byte of a body");
        }
    }
}

/// Full duplex: the answer begins first, and its end depends on the body.
#[tokio::test]
async fn a_server_that_begins_its_answer_without_a_100_still_gets_the_body() {
    for over in WAYS {
        let world = over
            .world(scripted(|mut line| async move {
                line.head().await.unwrap();
                line.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n").await;
                line.until("hello").await.unwrap();
                line.say("3\r\nbye\r\n0\r\n\r\n").await;
                line.rest().await;
            }))
            .await;
        let mut raw = ask(over, &world, "Content-Length: 5\r\n").await;
        let head = raw.until("hi\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "no 100 before it: {head}");
        raw.send("hello").await;
        assert!(raw.until("0\r\n\r\n").await.contains("bye"), "{over:?}");
    }
}

#[tokio::test]
async fn a_server_that_knows_no_100_gets_the_body_after_a_second() {
    for over in WAYS {
        let world = over
            .world(scripted(|mut line| async move {
                line.head().await.unwrap();
                line.until("hello").await.unwrap();
                line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                line.rest().await;
            }))
            .await;
        let asked = Instant::now();
        let mut raw = ask(over, &world, "Content-Length: 5\r\n").await;
        assert_eq!(raw.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
        // The relay waits one second for the server's word. Room for a busy machine is above, none is needed below.
        let waited = asked.elapsed();
        assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(10), "{waited:?}");
        raw.send("hello").await;
        assert!(raw.until("\r\n\r\nok").await.starts_with("HTTP/1.1 200 OK\r\n"), "{over:?}");
    }
}

#[tokio::test]
async fn a_chunked_body_may_be_expected_too() {
    for over in WAYS {
        let world = over.world(gantz_tests::echo()).await;
        let mut raw = ask(over, &world, "Transfer-Encoding: chunked\r\n").await;
        assert_eq!(raw.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
        raw.send("5\r\nhello\r\n0\r\n\r\n").await;
        assert!(raw.until("\r\n\r\nhello").await.starts_with("HTTP/1.1 200 OK\r\n"), "{over:?}");
        // The same connection goes on.
        let again = format!("GET / HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n", world.host, world.token);
        raw.send(again).await;
        assert!(raw.until("\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[tokio::test]
async fn other_interim_answers_may_come_before_the_100() {
    for over in WAYS {
        let world = over
            .world(scripted(|mut line| async move {
                line.head().await.unwrap();
                line.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n").await;
                line.until("hello").await.unwrap();
                line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                line.rest().await;
            }))
            .await;
        let mut raw = ask(over, &world, "Content-Length: 5\r\n").await;
        let hints = raw.until("\r\n\r\n").await;
        assert!(hints.starts_with("HTTP/1.1 103 Early Hints\r\n") && hints.contains("link: </a>\r\n"), "{hints}");
        assert_eq!(raw.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
        raw.send("hello").await;
        assert!(raw.until("\r\n\r\nok").await.starts_with("HTTP/1.1 200 OK\r\n"), "{over:?}");
    }
}

#[tokio::test]
async fn without_a_token_the_edge_refuses_before_the_body() {
    let world = Over::Http1.world(gantz_tests::echo()).await;
    let mut raw = world.raw().await;
    let fields = "Expect: 100-continue\r\nContent-Length: 5\r\n";
    raw.send(format!("POST / HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", world.host)).await;
    assert!(raw.until("\r\n\r\n").await.starts_with("HTTP/1.1 401 Unauthorized\r\n"));
    assert!(world.server.requests().is_empty());
}

/// The head of an upload over HTTP/2 that waits for a 100.
fn expecting(world: &World) -> http::Request<()> {
    http::Request::post(format!("{}/mcp", world.url))
        .header("authorization", format!("Bearer {}", world.token))
        .header("expect", "100-continue")
        .body(())
        .unwrap()
}

#[tokio::test]
async fn an_http2_caller_gets_the_servers_100_once_or_the_relays_own_after_a_second() {
    for knows in [true, false] {
        let world = Over::Http2
            .world(scripted(move |mut line| async move {
                line.head().await.unwrap();
                if knows {
                    line.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n").await;
                }
                line.until("hello").await.unwrap();
                line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                line.rest().await;
            }))
            .await;
        let mut client = layer_below(&world).await;
        let asked = Instant::now();
        let (mut answer, mut body) = client.sender.send_request(expecting(&world), false).unwrap();
        for status in if knows { vec![103, 100] } else { vec![100] } {
            let info = within("a 1xx", poll_fn(|cx| answer.poll_informational(cx))).await.expect("a 1xx").unwrap();
            assert_eq!(info.status(), status);
        }
        if !knows {
            assert!(asked.elapsed() >= Duration::from_secs(1), "{:?}", asked.elapsed());
        }
        body.send_data("hello".into(), true).unwrap();
        assert!(within("no more", poll_fn(|cx| answer.poll_informational(cx))).await.is_none());
        assert_eq!(within("the answer", answer).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn an_http2_caller_gets_a_refusal_instead() {
    let (told, mut heard) = mpsc::unbounded_channel();
    let world = Over::Http2
        .world(scripted(move |mut line| {
            let told = told.clone();
            async move {
                line.head().await.unwrap();
                line.say("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno").await;
                told.send(line.rest().await).unwrap();
            }
        }))
        .await;
    let mut client = layer_below(&world).await;
    let (mut answer, body) = client.sender.send_request(expecting(&world), false).unwrap();
    assert!(within("the head", poll_fn(|cx| answer.poll_informational(cx))).await.is_none(), "no 100 before it");
    let answer = within("the answer", answer).await.unwrap();
    assert_eq!(answer.status(), 417);
    assert_eq!(within("the body", answer.into_body().data()).await.unwrap().unwrap(), "no");
    drop(body);
    assert_eq!(within("the end", heard.recv()).await.unwrap(), "", "no byte of a body");
}
