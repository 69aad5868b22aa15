//! The limit on request bodies: exactly it passes, one byte more is a 413 that names it, and the local server never
//! takes a part for the whole.

use bytes::Bytes;
use gantz_tests::{Origin, within};
use http::Method;
use tokio::sync::mpsc;

use crate::caller::{EVERY_WAY, Over, full, spoken, whole};
use crate::script::scripted;

const LIMIT: usize = 16 << 20;

/// Counts the bytes of each whole body.
fn counting() -> Origin {
    let router = axum::Router::new()
        .fallback(async |body: Bytes| body.len().to_string())
        .layer(axum::extract::DefaultBodyLimit::disable());
    Origin::axum(router)
}

#[tokio::test]
async fn exactly_the_limit_passes() {
    for over in EVERY_WAY {
        let world = over.world(counting()).await;
        let mut caller = over.caller(&world).await;
        let request = caller.request(Method::POST, "/").body(full(vec![b'x'; LIMIT])).unwrap();
        let (parts, body) = whole(caller.send(request).await.unwrap()).await;
        assert_eq!((parts.status.as_u16(), body), (200, LIMIT.to_string().into()), "{over:?}");

        let (mouth, body) = spoken();
        let request = caller.request(Method::POST, "/").body(body).unwrap();
        let speaking = async move {
            for _ in 0..LIMIT >> 20 {
                assert!(mouth.say(vec![b'x'; 1 << 20]).await);
            }
        };
        let (answer, ()) = tokio::join!(caller.send(request), speaking);
        let (parts, body) = whole(answer.unwrap()).await;
        assert_eq!((parts.status.as_u16(), body), (200, LIMIT.to_string().into()), "{over:?}, without a length");
    }
}

#[tokio::test]
async fn a_length_over_the_limit_is_refused_at_once() {
    for over in EVERY_WAY {
        let world = over.world(counting()).await;
        let mut caller = over.caller(&world).await;
        // Not one byte of the body is said.
        let (mouth, body) = spoken();
        let request = caller.request(Method::POST, "/").header("content-length", LIMIT + 1).body(body).unwrap();
        let (parts, body) = whole(caller.send(request).await.unwrap()).await;
        assert_eq!(parts.status, 413, "{over:?}");
        assert_eq!(parts.headers["gantz-error"], "body_too_large");
        assert!(String::from_utf8_lossy(&body).contains("16777216"), "{body:?} names the limit");
        assert!(world.server.requests().is_empty(), "the server hears nothing of it");
        drop(mouth);
    }
}

#[tokio::test]
async fn a_body_that_grows_over_the_limit_is_refused_and_breaks_off_at_the_server() {
    for over in EVERY_WAY {
        let (told, mut heard) = mpsc::unbounded_channel();
        let server = scripted(move |mut line| {
            let told = told.clone();
            async move {
                line.head().await.unwrap();
                told.send(line.rest().await).unwrap();
            }
        });
        let world = over.world(server).await;
        let mut caller = over.caller(&world).await;
        let (mouth, body) = spoken();
        let request = caller.request(Method::POST, "/").body(body).unwrap();
        let speaking = async move {
            // The edge stops listening somewhere behind the limit.
            for _ in 0..=LIMIT >> 20 {
                if !mouth.say(vec![b'x'; 1 << 20]).await {
                    break;
                }
            }
            mouth
        };
        let (answer, _mouth) = tokio::join!(caller.send(request), speaking);
        let (parts, body) = whole(answer.unwrap()).await;
        assert_eq!(parts.status, 413, "{over:?}");
        assert!(String::from_utf8_lossy(&body).contains("16777216"), "{body:?} names the limit");
        let seen = within("the end", heard.recv()).await.unwrap();
        assert!(!seen.ends_with(b"0\r\n\r\n"), "{over:?}: the server took the part for the whole");
    }
}

/// Most clients send all of a body before they look for an answer. One that is refused early has to get the refusal
/// all the same, not a reset that overtakes it.
#[tokio::test]
async fn a_client_that_sends_first_and_reads_later_gets_the_413() {
    for over in [Over::Http1, Over::Plain] {
        let world = over.world(counting()).await;
        for _ in 0..3 {
            let mut raw = over.raw(&world).await;
            let length = LIMIT + (4 << 20);
            raw.send(format!(
                "POST / HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: {length}\r\n\r\n",
                world.host, world.token
            ))
            .await;
            raw.send(vec![b'x'; length]).await;
            assert!(raw.until("\r\n\r\n").await.starts_with("HTTP/1.1 413 "), "{over:?}");
        }
    }
}

/// As above, for a body without a length: it is refused in the middle.
#[tokio::test]
async fn a_client_that_sends_chunks_first_and_reads_later_gets_the_413() {
    for over in [Over::Http1, Over::Plain] {
        let world = over.world(counting()).await;
        for _ in 0..3 {
            let mut raw = over.raw(&world).await;
            raw.send(format!(
                "POST / HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n",
                world.host, world.token
            ))
            .await;
            let piece = "x".repeat(1 << 20);
            for _ in 0..20 {
                raw.send(format!("100000\r\n{piece}\r\n")).await;
            }
            raw.send("0\r\n\r\n").await;
            assert!(raw.until("\r\n\r\n").await.starts_with("HTTP/1.1 413 "), "{over:?}");
        }
    }
}
