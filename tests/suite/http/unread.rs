//! Bodies that nobody needs: a refusal comes before the body has, and neither the refusal nor the next request on the
//! connection may suffer from that.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use gantz_tests::{echo, within};
use http::Method;
use tokio::sync::mpsc;

use crate::caller::{EVERY_WAY, Over, full, whole};
use crate::connections::post;
use crate::interim::layer_below;
use crate::script::scripted;

const WAYS: [Over; 2] = [Over::Http1, Over::Plain];

/// The body of a request that was refused is no request: either it is read over, or the connection is closed.
#[tokio::test]
async fn the_unread_body_of_a_refused_request_is_never_taken_for_the_next_one() {
    for over in WAYS {
        let world = over.world(echo()).await;
        let mut raw = over.raw(&world).await;
        let smuggled = post(&world, "/smuggled", "HTTP/1.1", "", "x");
        let refused =
            format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{smuggled}", world.host, smuggled.len());
        raw.send(refused + &post(&world, "/next", "HTTP/1.1", "Connection: close\r\n", "next")).await;
        let (_, answers) = raw.to_end().await;
        let answers = String::from_utf8(answers).unwrap();
        assert!(answers.starts_with("HTTP/1.1 401 "), "{answers}");
        assert!(world.server.requests().iter().all(|request| request.path == "/next"), "{over:?}");
        if answers.matches("HTTP/1.1 ").count() == 2 {
            assert!(answers.ends_with("\r\n\r\nnext"), "{answers}");
        } else {
            assert!(world.server.requests().is_empty());
        }
    }
}

#[tokio::test]
async fn a_connection_goes_on_after_a_401_whose_body_has_come() {
    for over in EVERY_WAY {
        let world = over.world(echo()).await;
        let mut caller = over.caller(&world).await;
        for _ in 0..3 {
            let mut request = caller.request(Method::POST, "/").body(full("refused")).unwrap();
            request.headers_mut().remove("authorization");
            assert_eq!(whole(caller.send(request).await.unwrap()).await.0.status, 401, "{over:?}");
            let request = caller.request(Method::POST, "/").body(full("taken")).unwrap();
            assert_eq!(whole(caller.send(request).await.unwrap()).await.1, "taken", "{over:?}");
        }
    }
}

/// A client that sends all of its body before it looks for an answer has to see the refusal, not a reset.
#[tokio::test]
async fn a_client_that_sends_first_and_reads_later_gets_its_401() {
    for over in WAYS {
        let world = over.world(echo()).await;
        for _ in 0..3 {
            let mut raw = over.raw(&world).await;
            let length = 12 << 20;
            raw.send(format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n\r\n", world.host)).await;
            raw.send(vec![b'x'; length]).await;
            assert!(raw.until("\r\n\r\n").await.starts_with("HTTP/1.1 401 "), "{over:?}");
        }
        assert!(world.server.requests().is_empty());
    }
}

/// The local server's own refusal, too: it answers before it has taken the body, and takes no more of it.
#[tokio::test]
async fn a_local_servers_early_answer_reaches_a_client_that_sends_first() {
    for over in WAYS {
        let (told, mut heard) = mpsc::unbounded_channel();
        let world = over
            .world(scripted(move |mut line| {
                let told = told.clone();
                async move {
                    told.send(line.head().await.unwrap()).unwrap();
                    line.say("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno").await;
                    line.rest().await;
                }
            }))
            .await;
        let mut raw = over.raw(&world).await;
        let length = 12 << 20;
        raw.send(
            post(&world, "/", "HTTP/1.1", "", "").replace("Content-Length: 0", &format!("Content-Length: {length}")),
        )
        .await;
        within("the head", heard.recv()).await.unwrap();
        raw.send(vec![b'x'; length]).await;
        let answer = raw.until("\r\n\r\nno").await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{over:?}: {answer}");
    }
}

/// A caller that goes on sending over HTTP/2 is told to stop by a reset that takes nothing back (RFC 9113 §8.1), soon, but
/// not before a caller that reads only when it has sent what it had.
#[tokio::test]
async fn an_http2_caller_that_goes_on_after_its_answer_is_told_to_stop() {
    let world = Over::Http2.world(echo()).await;
    let mut client = layer_below(&world).await;
    let request = http::Request::post(format!("{}/mcp", world.url)).body(()).unwrap();
    let (answer, mut body) = client.sender.send_request(request, false).unwrap();
    let answer = within("the answer", answer).await.unwrap();
    let answered = Instant::now();
    assert_eq!(answer.status(), 401);
    let mut rest = answer.into_body();
    while let Some(piece) = within("the answer's body", rest.data()).await {
        piece.unwrap();
    }
    // More than all windows together: it is taken as long as the answer may not have been seen.
    let mut more = bytes::Bytes::from(vec![b'x'; 8 << 20]);
    while !more.is_empty() {
        body.reserve_capacity(more.len());
        // A busy machine may be slower than the reset.
        let Some(Ok(granted)) = within("room", poll_fn(|cx| body.poll_capacity(cx))).await else { break };
        body.send_data(more.split_to(granted.min(more.len())), false).unwrap();
    }
    let reset = within("the reset", poll_fn(|cx| body.poll_reset(cx))).await.unwrap();
    assert_eq!(reset, h2::Reason::NO_ERROR);
    let after = answered.elapsed();
    assert!(after >= Duration::from_millis(900) && after < Duration::from_secs(10), "{after:?}");
}
