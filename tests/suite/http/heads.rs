//! Large heads, both ways: what is within the limits passes whole, what is over them is refused with the right words.

use gantz_shared::limits::MAX_FIELDS;
use http::Method;

use crate::caller::{EVERY_WAY, Over, nothing, whole};
use crate::script::answering;

#[tokio::test]
async fn a_head_of_60_kib_passes() {
    for over in EVERY_WAY {
        let world = over
            .world(gantz_tests::Origin::axum(
                axum::Router::new().fallback(async |fields: http::HeaderMap| fields["x-large"].len().to_string()),
            ))
            .await;
        let mut caller = over.caller(&world).await;
        for _ in 0..2 {
            let request = caller.request(Method::GET, "/").header("x-large", "v".repeat(60 << 10));
            let (parts, body) = whole(caller.send(request.body(nothing()).unwrap()).await.unwrap()).await;
            assert_eq!(parts.status, 200, "{over:?}");
            assert_eq!(body, (60 << 10).to_string(), "{over:?}");
        }
    }
}

#[tokio::test]
async fn a_head_over_64_kib_is_431() {
    for over in EVERY_WAY {
        let world = over.world(gantz_tests::echo()).await;
        let mut caller = over.caller(&world).await;
        let request = caller.request(Method::GET, "/").header("x-large", "v".repeat(65 << 10));
        let answer = caller.send(request.body(nothing()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 431, "{over:?}");
        assert!(world.server.requests().is_empty());
    }
}

#[tokio::test]
async fn many_fields_pass_and_too_many_are_431() {
    for over in EVERY_WAY {
        let world = over
            .world(gantz_tests::Origin::axum(axum::Router::new().fallback(async |fields: http::HeaderMap| {
                fields.keys().filter(|name| name.as_str().starts_with("x-n")).count().to_string()
            })))
            .await;
        // Authorization and Host count as well, and some room is left for what the agent adds at the other end: a
        // common server takes 100.
        for (count, status) in [(90, 200), (MAX_FIELDS + 1, 431)] {
            let mut caller = over.caller(&world).await;
            let mut request = caller.request(Method::GET, "/");
            for n in 0..count {
                request = request.header(format!("x-n{n}"), "v");
            }
            let (parts, body) = whole(caller.send(request.body(nothing()).unwrap()).await.unwrap()).await;
            assert_eq!(parts.status, status, "{over:?} {count}");
            if status == 200 {
                assert_eq!(body, count.to_string());
            }
        }
    }
}

#[tokio::test]
async fn an_answer_with_as_many_fields_as_the_tunnel_takes_passes() {
    for over in EVERY_WAY {
        let many: String = (0..MAX_FIELDS - 1).map(|n| format!("X-N{n}: v\r\n")).collect();
        let world = over.world(answering(format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 2\r\n\r\nok"))).await;
        let (parts, body) = over.caller(&world).await.get("/").await;
        assert_eq!(parts.status, 200, "{over:?}: {body:?}");
        assert_eq!(parts.headers.keys().filter(|name| name.as_str().starts_with("x-n")).count(), MAX_FIELDS - 1);
    }
}

#[tokio::test]
async fn an_answers_head_of_60_kib_passes_and_a_larger_one_is_502() {
    for over in EVERY_WAY {
        for (kib, status) in [(60, 200), (70, 502)] {
            let large = "v".repeat(kib << 10);
            let server = answering(format!("HTTP/1.1 200 OK\r\nX-Large: {large}\r\nContent-Length: 2\r\n\r\nok"));
            let world = over.world(server).await;
            let (parts, _) = over.caller(&world).await.get("/").await;
            assert_eq!(parts.status, status, "{over:?} {kib} KiB");
            match status {
                200 => assert_eq!(parts.headers["x-large"].len(), large.len()),
                _ => assert_eq!(parts.headers["gantz-error"], "upstream_invalid"),
            }
        }
    }
}

#[tokio::test]
async fn a_path_over_64_kib_is_refused() {
    for over in [Over::Http1, Over::Plain] {
        let world = over.world(gantz_tests::echo()).await;
        let mut raw = over.raw(&world).await;
        let path = "p".repeat(70 << 10);
        raw.send(format!("GET /{path} HTTP/1.1\r\nHost: {}\r\n\r\n", world.host)).await;
        let answer = raw.until("\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 414 ") || answer.starts_with("HTTP/1.1 431 "), "{over:?}: {answer}");
    }
}

/// What went wrong is the size of the head, and not that it was no HTTP. There are two limits: what gantz reads of it
/// at all, and what the tunnel takes.
#[tokio::test]
async fn an_answer_with_too_many_fields_is_a_502_that_says_so() {
    for over in EVERY_WAY {
        for count in [MAX_FIELDS + 1, 4 * MAX_FIELDS] {
            let many: String = (0..count).map(|n| format!("X-N{n}: v\r\n")).collect();
            let world = over.world(answering(format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 2\r\n\r\nok"))).await;
            let (parts, body) = over.caller(&world).await.get("/").await;
            assert_eq!(parts.status, 502, "{over:?} {count}");
            assert_eq!(parts.headers["gantz-error"], "upstream_invalid");
            let body = String::from_utf8_lossy(&body);
            assert!(body.contains("65536 bytes") && body.contains("100 fields"), "{over:?} {count}: {body}");
        }
    }
}

/// RFC 9112 §6.3: where both are, the chunks say where the body ends.
#[tokio::test]
async fn an_answers_length_beside_chunks_does_not_count() {
    for over in EVERY_WAY {
        for length in [1, 100] {
            let server = answering(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            ));
            let world = over.world(server).await;
            let (parts, body) = over.caller(&world).await.get("/").await;
            assert_eq!((parts.status.as_u16(), &body[..]), (200, &b"hello"[..]), "{over:?}");
            assert!(!parts.headers.contains_key("content-length"), "{over:?}: {:?}", parts.headers);
        }
    }
}

/// RFC 9112 §6.1: callers hear of no transfer coding, so that what has one must not go on as if it had none.
#[tokio::test]
async fn an_answer_with_another_transfer_coding_than_chunked_is_502() {
    for over in EVERY_WAY {
        for coding in ["gzip, chunked", "chunked, chunked", "gzip\r\nTransfer-Encoding: chunked", "gzip"] {
            let server = answering(format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n3\r\n\x1f\u{b}z\r\n0\r\n\r\n"
            ));
            let world = over.world(server).await;
            let (parts, body) = over.caller(&world).await.get("/").await;
            assert_eq!(parts.status, 502, "{over:?} {coding}: {body:?}");
            assert_eq!(parts.headers["gantz-error"], "upstream_invalid");
        }
    }
}

#[tokio::test]
async fn a_status_that_nobody_knows_has_no_phrase() {
    for over in [Over::Http1, Over::Plain] {
        let world = over.world(answering("HTTP/1.1 599 Whatever\r\nContent-Length: 2\r\n\r\nok")).await;
        let mut raw = over.raw(&world).await;
        let request =
            format!("GET / HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n", world.host, world.token);
        raw.send(request).await;
        let answer = raw.until("\r\n\r\nok").await;
        assert!(answer.starts_with("HTTP/1.1 599 \r\n"), "{over:?}: {answer}");
    }
}
