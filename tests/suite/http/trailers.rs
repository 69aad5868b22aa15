//! Trailers in requests and in answers (RFC 9110 §6.5). Over HTTP/1.1 they need a chunked body, and `Trailer` says
//! which come; an answer has them only where the caller says `TE: trailers`.

use std::sync::Arc;

use bytes::Bytes;
use gantz_tests::{Origin, within};
use http::{HeaderMap, HeaderValue, Method};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::mpsc;

use crate::caller::{EVERY_WAY, Over, nothing, spoken, whole};
use crate::script::answering;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
    5\r\nhello\r\n0\r\nx-sum: 42\r\n\r\n";

#[tokio::test]
async fn an_answers_trailers_reach_a_caller_that_takes_them() {
    for over in EVERY_WAY {
        let world = over.world(answering(CHUNKED)).await;
        let mut caller = over.caller(&world).await;
        for _ in 0..2 {
            let mut request = caller.request(Method::GET, "/").header("te", "trailers");
            if over != Over::Http2 {
                request = request.header("connection", "te");
            }
            let answer = caller.send(request.body(nothing()).unwrap()).await.unwrap();
            assert_eq!(answer.headers()["trailer"], "x-sum");
            let collected = within("the body", answer.into_body().collect()).await.unwrap();
            assert_eq!(collected.trailers().expect("trailers")["x-sum"], "42", "{over:?}");
            assert_eq!(collected.to_bytes(), "hello");
        }
    }
}

#[tokio::test]
async fn an_http1_caller_that_takes_no_trailers_gets_the_body_without() {
    for over in [Over::Http1, Over::Plain] {
        let world = over.world(answering(CHUNKED)).await;
        let mut caller = over.caller(&world).await;
        for _ in 0..2 {
            let request = caller.request(Method::GET, "/").body(nothing()).unwrap();
            let collected = within("the body", caller.send(request).await.unwrap().collect()).await.unwrap();
            assert!(collected.trailers().is_none(), "{over:?}");
            assert_eq!(collected.to_bytes(), "hello");
        }
    }
}

#[tokio::test]
async fn trailers_without_a_body_arrive_over_http2() {
    let server = answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n0\r\ngrpc-status: 0\r\n\r\n",
    );
    let world = Over::Http2.world(server).await;
    let mut caller = Over::Http2.caller(&world).await;
    let request = caller.request(Method::POST, "/").header("te", "trailers").body(nothing()).unwrap();
    let collected = within("the body", caller.send(request).await.unwrap().collect()).await.unwrap();
    assert_eq!(collected.trailers().expect("trailers")["grpc-status"], "0");
}

#[tokio::test]
async fn hop_by_hop_fields_in_trailers_do_not_cross() {
    for over in EVERY_WAY {
        let server = answering(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum, keep-alive, proxy-connection\r\n\r\n\
             0\r\nx-sum: 1\r\nkeep-alive: timeout=1\r\nproxy-connection: close\r\n\r\n",
        );
        let world = over.world(server).await;
        let mut caller = over.caller(&world).await;
        let request = caller.request(Method::GET, "/").header("te", "trailers").body(nothing()).unwrap();
        let collected = within("the body", caller.send(request).await.unwrap().collect()).await.unwrap();
        let trailers = collected.trailers().expect("trailers");
        assert_eq!(trailers.keys().map(http::HeaderName::as_str).collect::<Vec<_>>(), ["x-sum"], "{over:?}");
    }
}

/// Hands on the trailers of each request, once its body has ended.
fn listener() -> (Origin, mpsc::UnboundedReceiver<(Bytes, Option<HeaderMap>)>) {
    let (told, heard) = mpsc::unbounded_channel();
    let told = Arc::new(told);
    let router = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let told = told.clone();
        async move {
            let collected = request.into_body().collect().await.unwrap();
            let trailers = collected.trailers().cloned();
            told.send((collected.to_bytes(), trailers)).unwrap();
            "heard"
        }
    });
    (Origin::axum(router), heard)
}

#[tokio::test]
async fn a_requests_trailers_reach_the_local_server() {
    for over in EVERY_WAY {
        let (server, mut heard) = listener();
        let world = over.world(server).await;
        let mut caller = over.caller(&world).await;
        for _ in 0..2 {
            let (mouth, body) = spoken();
            let speaking = async {
                assert!(mouth.say("hello").await);
                mouth.trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("7"))])).await;
            };
            let request = caller.request(Method::POST, "/").header("trailer", "x-sum").body(body).unwrap();
            let (answer, ()) = tokio::join!(caller.send(request), speaking);
            assert_eq!(whole(answer.unwrap()).await.1, "heard");
            let (body, trailers) = within("the request", heard.recv()).await.unwrap();
            assert_eq!(body, "hello");
            assert_eq!(trailers.expect("trailers")["x-sum"], "7", "{over:?}");
        }
    }
}

/// What the head has decided is not decided again behind the body, and nobody is told who called.
#[tokio::test]
async fn a_requests_trailers_say_nothing_that_its_head_has_to() {
    for over in EVERY_WAY {
        let (server, mut heard) = listener();
        let world = over.world(server).await;
        let mut caller = over.caller(&world).await;
        let (mouth, body) = spoken();
        let names = ["x-sum", "authorization", "content-type", "x-forwarded-for", "gantz-error"];
        let speaking = async {
            let trailers = names.map(|name| (name.parse().unwrap(), HeaderValue::from_static("7")));
            mouth.trailers(HeaderMap::from_iter(trailers)).await;
        };
        let request = caller.request(Method::POST, "/").header("trailer", names.join(", ")).body(body).unwrap();
        let (answer, ()) = tokio::join!(caller.send(request), speaking);
        assert_eq!(whole(answer.unwrap()).await.1, "heard");
        let (_, trailers) = within("the request", heard.recv()).await.unwrap();
        let trailers = trailers.expect("trailers");
        assert_eq!(trailers.keys().map(http::HeaderName::as_str).collect::<Vec<_>>(), ["x-sum"], "{over:?}");
    }
}

#[tokio::test]
async fn trailers_come_as_they_stream_both_ways() {
    // The answer's trailers are said by an application, not by a script.
    let router = axum::Router::new().fallback(async || {
        let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("9"))]);
        let frames = [Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"a"))), Ok(Frame::trailers(trailers))];
        let body = axum::body::Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        ([("trailer", "x-sum")], body)
    });
    let world = Over::Http2.world(Origin::axum(router)).await;
    let mut caller = Over::Http2.caller(&world).await;
    let request = caller.request(Method::GET, "/").header("te", "trailers").body(nothing()).unwrap();
    let collected = within("the body", caller.send(request).await.unwrap().collect()).await.unwrap();
    assert_eq!(collected.trailers().expect("trailers")["x-sum"], "9");
}

/// hyper writes none over HTTP/1.1 that no `Trailer` field has announced; HTTP/2 has no such rule.
#[tokio::test]
async fn trailers_that_nothing_announces_arrive_over_http2_only() {
    let unannounced = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
        5\r\nhello\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n";
    for over in EVERY_WAY {
        let world = over.world(answering(unannounced)).await;
        let mut caller = over.caller(&world).await;
        let mut request = caller.request(Method::GET, "/").header("te", "trailers");
        if over != Over::Http2 {
            request = request.header("connection", "te");
        }
        let answer = caller.send(request.body(nothing()).unwrap()).await.unwrap();
        let collected = within("the body", answer.into_body().collect()).await.unwrap();
        let trailers = collected.trailers().expect("trailers");
        assert_eq!(trailers["x-sum"], "1", "{over:?}");
        assert_eq!(trailers.contains_key("x-more"), over == Over::Http2, "{over:?}");
        assert_eq!(collected.to_bytes(), "hello");
    }
}
