//! Answers without a body, whatever their fields say about one (RFC 9110 §6.4.1), and the connection after them.

use http::Method;

use crate::caller::{EVERY_WAY, nothing, whole};
use crate::script::answering;

#[tokio::test]
async fn head_keeps_the_length_has_no_body_and_leaves_the_connection_usable() {
    for over in EVERY_WAY {
        let server = answering("HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nContent-Type: text/x\r\n\r\n");
        let world = over.world(server).await;
        let mut caller = over.caller(&world).await;
        for _ in 0..3 {
            let request = caller.request(Method::HEAD, "/file").body(nothing()).unwrap();
            let (parts, body) = whole(caller.send(request).await.unwrap()).await;
            assert_eq!(parts.status, 200, "{over:?}");
            assert_eq!(parts.headers["content-length"], "12345", "{over:?}");
            assert_eq!(parts.headers["content-type"], "text/x");
            assert!(body.is_empty());
        }
    }
}

#[tokio::test]
async fn head_of_a_chunked_answer_says_no_length() {
    for over in EVERY_WAY {
        let world = over.world(answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")).await;
        let mut caller = over.caller(&world).await;
        for _ in 0..2 {
            let request = caller.request(Method::HEAD, "/").body(nothing()).unwrap();
            let (parts, body) = whole(caller.send(request).await.unwrap()).await;
            assert_eq!((parts.status.as_u16(), body.len()), (200, 0), "{over:?}");
            assert!(!parts.headers.contains_key("content-length"), "{over:?}");
        }
    }
}

#[tokio::test]
async fn no_content_has_no_body_and_no_length() {
    for over in EVERY_WAY {
        let world = over.world(answering("HTTP/1.1 204 No Content\r\nX-Kept: yes\r\n\r\n")).await;
        let mut caller = over.caller(&world).await;
        for _ in 0..3 {
            let (parts, body) = caller.get("/").await;
            assert_eq!((parts.status.as_u16(), body.len()), (204, 0), "{over:?}");
            assert_eq!(parts.headers["x-kept"], "yes");
            assert!(!parts.headers.contains_key("content-length"), "RFC 9110 §8.6, {over:?}");
            assert!(!parts.headers.contains_key("transfer-encoding"), "RFC 9112 §6.1, {over:?}");
        }
    }
}

#[tokio::test]
async fn not_modified_keeps_validator_and_length_and_has_no_body() {
    for over in EVERY_WAY {
        let server = answering("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nContent-Length: 500\r\n\r\n");
        let world = over.world(server).await;
        let mut caller = over.caller(&world).await;
        for _ in 0..3 {
            let request = caller.request(Method::GET, "/").header("if-none-match", "\"v1\"");
            let (parts, body) = whole(caller.send(request.body(nothing()).unwrap()).await.unwrap()).await;
            assert_eq!((parts.status.as_u16(), body.len()), (304, 0), "{over:?}");
            assert_eq!(parts.headers["etag"], "\"v1\"");
            assert_eq!(parts.headers["content-length"], "500", "{over:?}");
        }
    }
}

#[tokio::test]
async fn an_empty_body_is_an_empty_body() {
    for over in EVERY_WAY {
        let world = over.world(answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await;
        let mut caller = over.caller(&world).await;
        for _ in 0..2 {
            let (parts, body) = caller.get("/").await;
            assert_eq!((parts.status.as_u16(), body.len()), (200, 0), "{over:?}");
            assert_eq!(parts.headers["content-length"], "0", "{over:?}");
        }
    }
}

#[tokio::test]
async fn a_length_where_there_is_no_body_is_dropped() {
    for over in EVERY_WAY {
        let world = over.world(answering("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nX-Kept: yes\r\n\r\n")).await;
        let mut caller = over.caller(&world).await;
        for _ in 0..2 {
            let (parts, body) = caller.get("/").await;
            assert_eq!((parts.status.as_u16(), body.len()), (204, 0), "{over:?}");
            assert_eq!(parts.headers["x-kept"], "yes");
            assert!(!parts.headers.contains_key("content-length"), "RFC 9110 §8.6, {over:?}");
        }
    }
}
