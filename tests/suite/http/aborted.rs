//! What breaks off is seen to break off, in both directions: a part is never taken for the whole.

use std::sync::Arc;

use gantz_tests::within;
use http::Method;
use http_body_util::BodyExt;
use tokio::sync::{Notify, mpsc};

use crate::caller::{Caller, EVERY_WAY, Over, full, next, nothing, piece, spoken, whole};
use crate::script::scripted;

const DECLARED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Calls, and says whether that ended as it does with a server that breaks off: in an error, or, when nothing of its
/// answer had left yet, in a 502.
async fn breaks_off(caller: &mut Caller) -> bool {
    let request = caller.request(Method::GET, "/").body(nothing()).unwrap();
    let Ok(answer) = caller.send(request).await else { return true };
    let is_refusal = answer.status() == 502 && answer.headers()["gantz-error"] == "upstream_invalid";
    assert!(is_refusal || answer.status() == 200, "{answer:?}");
    let body = within("the body's end", answer.into_body().collect()).await;
    is_refusal || body.is_err()
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_reset() {
    let broken = [
        format!("{DECLARED}part"),
        DECLARED.to_owned(),
        format!("{CHUNKED}4\r\npart\r\n"),
        format!("{CHUNKED}40\r\npart"),
        format!("{CHUNKED}4\r\npart\r\n0\r\n"),
        format!("{CHUNKED}4\r\npart\r\nzz\r\n"),
        CHUNKED.to_owned(),
    ];
    for over in EVERY_WAY {
        for answer in &broken {
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
            assert!(breaks_off(&mut caller).await, "{over:?} {answer:?}");
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
                assert!(breaks_off(&mut caller).await, "the server breaks off again");
            }
        }
    }
}

/// An HTTP/1.0 caller has only the end of its connection to go by; over TLS that end can be seen to be none.
#[tokio::test]
async fn an_http_1_0_caller_over_tls_sees_no_clean_end() {
    let go = Arc::new(Notify::new());
    let told = go.clone();
    let world = Over::Http1
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
    let mut raw = world.raw().await;
    let (host, token) = (&world.host, &world.token);
    raw.send(format!("GET / HTTP/1.0\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n")).await;
    assert!(raw.until("\r\n\r\npart").await.starts_with("HTTP/1.0 200 OK\r\n"));
    go.notify_one();
    let (is_clean, seen) = raw.to_end().await;
    assert!(!is_clean && seen.is_empty(), "{:?}", String::from_utf8_lossy(&seen));
}

#[tokio::test]
async fn a_server_that_closes_without_an_answer_or_says_garbage_is_502() {
    for over in EVERY_WAY {
        for said in ["", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200"] {
            let world = over
                .world(scripted(move |mut line| async move {
                    line.head().await.unwrap();
                    line.say(said).await;
                }))
                .await;
            let (parts, _) = over.caller(&world).await.get("/").await;
            assert_eq!(parts.status, 502, "{over:?} {said:?}");
            assert_eq!(parts.headers["gantz-error"], "upstream_invalid");
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

/// What the server saw of a request whose caller broke off.
async fn upload_that_ends(over: Over, length: Option<usize>, hang_up: bool) -> String {
    let (told, mut heard) = mpsc::unbounded_channel();
    let (began, mut begun) = mpsc::unbounded_channel();
    let world = over
        .world(scripted(move |mut line| {
            let (told, began) = (told.clone(), began.clone());
            async move {
                line.head().await.unwrap();
                let first = line.until("part").await.unwrap();
                began.send(()).unwrap();
                told.send((first, line.rest().await)).unwrap();
            }
        }))
        .await;
    let mut caller = over.caller(&world).await;
    let (mouth, body) = spoken();
    let mut request = caller.request(Method::POST, "/");
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    let request = request.body(body).unwrap();
    assert!(mouth.say("part").await);
    if hang_up {
        {
            let mut call = std::pin::pin!(caller.send(request));
            tokio::select! {
                answer = &mut call => panic!("{answer:?} before the body's end"),
                begun = begun.recv() => begun.unwrap(),
            }
        }
        caller.hang_up();
    } else {
        let breaking = async {
            begun.recv().await.unwrap();
            mouth.break_off().await;
        };
        let (answer, ()) = tokio::join!(caller.send(request), breaking);
        assert!(answer.is_err(), "{over:?}");
    }
    let (first, rest) = within("the request's end", heard.recv()).await.unwrap();
    first + &String::from_utf8_lossy(&rest)
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_never_whole_at_the_server() {
    for over in EVERY_WAY {
        for hang_up in [false, true] {
            let seen = upload_that_ends(over, None, hang_up).await;
            assert!(!seen.contains("0\r\n\r\n"), "{over:?} {hang_up}: {seen:?} looks whole");
            let seen = upload_that_ends(over, Some(100), hang_up).await;
            assert_eq!(seen, "part", "{over:?} {hang_up}");
        }
    }
}

/// HTTP/2 carries bodies that are longer or shorter than they say; HTTP/1.1 must not be made of them.
#[tokio::test]
async fn an_http2_body_that_is_not_as_long_as_declared_is_refused() {
    for (declared, said) in [(4u16, "longer"), (100, "shorter")] {
        let (told, mut heard) = mpsc::unbounded_channel();
        let world = Over::Http2
            .world(scripted(move |mut line| {
                let told = told.clone();
                async move {
                    line.head().await.unwrap();
                    told.send(line.rest().await).unwrap();
                }
            }))
            .await;
        let caller = Over::Http2.caller(&world).await;
        let request = caller.request(Method::POST, "/").header("content-length", declared).body(()).unwrap();
        drop(caller);
        // hyper's client would not send such a body.
        let mut client = crate::interim::layer_below(&world).await;
        let (answer, mut stream) = client.sender.send_request(request, false).unwrap();
        stream.send_data(said.into(), true).unwrap();
        match within("an end", answer).await {
            Ok(answer) => assert_eq!(answer.status(), 400, "{said}"),
            Err(error) => assert!(error.is_reset(), "{error}"),
        }
        // Whether the server ever heard of it depends on when the edge saw what is wrong.
        if let Ok(seen) = heard.try_recv() {
            assert!(seen.len() < usize::from(declared), "{seen:?} looks whole");
        }
    }
}

/// A server that answers early and takes no more leaves both connections in order.
#[tokio::test]
async fn an_answer_before_the_bodys_end_arrives_whole() {
    for over in EVERY_WAY {
        let world = over
            .world(scripted(|mut line| async move {
                line.head().await.unwrap();
                let body = "n".repeat(1 << 20);
                line.say(format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
                line.rest().await;
            }))
            .await;
        let mut caller = over.caller(&world).await;
        let (mouth, body) = spoken();
        assert!(mouth.say("part").await);
        let request = caller.request(Method::POST, "/").body(body).unwrap();
        let (parts, body) = whole(caller.send(request).await.unwrap()).await;
        assert_eq!((parts.status.as_u16(), body.len()), (403, 1 << 20), "{over:?}");
        drop(mouth);
        let mut caller = over.caller(&world).await;
        let request = caller.request(Method::POST, "/").body(full("all")).unwrap();
        assert_eq!(whole(caller.send(request).await.unwrap()).await.0.status, 403, "{over:?}");
    }
}
