//! Informational answers (RFC 9110 §15.2): in order, before the final answer, and never to those who cannot take them.

use std::sync::Arc;

use bytes::Bytes;
use gantz_tests::{Origin, World, within};
use http::{Method, Request};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::caller::Over;
use crate::script::scripted;

/// HTTP/2 frame by frame.
pub(crate) struct Frames {
    pub(crate) sender: h2::client::SendRequest<Bytes>,
    /// Dropped, it closes the connection.
    _connection: AbortOnDropHandle<()>,
}

/// The layer below hyper's client.
pub(crate) async fn layer_below(world: &World) -> Frames {
    let tcp = TcpStream::connect(world.relay.edge_addr()).await.unwrap();
    let tls = TlsConnector::from(Arc::new(gantz_tests::client::tls(&world.relay, &[b"h2"])));
    let stream = tls.connect(ServerName::try_from(world.host.clone()).unwrap(), tcp).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) }));
    Frames { sender, _connection: connection }
}

/// Says three hints at once, and its answer only when it is told to.
fn hinting(go: &Arc<Notify>) -> Origin {
    let go = go.clone();
    scripted(move |mut line| {
        let go = go.clone();
        async move {
            while line.head().await.is_some() {
                for hint in [
                    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n",
                    "HTTP/1.1 102 Processing\r\n\r\n",
                    "HTTP/1.1 103 Early Hints\r\nLink: </c>\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\n\r\n",
                ] {
                    line.say(hint).await;
                }
                go.notified().await;
                line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        }
    })
}

fn get(world: &World, version: &str) -> String {
    format!("GET / {version}\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n", world.host, world.token)
}

#[tokio::test]
async fn hints_come_in_order_before_an_http1_answer() {
    for over in [Over::Http1, Over::Plain] {
        let go = Arc::new(Notify::new());
        let world = over.world(hinting(&go)).await;
        let mut raw = over.raw(&world).await;
        for _ in 0..3 {
            raw.send(get(&world, "HTTP/1.1")).await;
            assert_eq!(raw.until("\r\n\r\n").await, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nlink: </b>\r\n\r\n");
            assert_eq!(raw.until("\r\n\r\n").await, "HTTP/1.1 102 Processing\r\n\r\n");
            assert_eq!(raw.until("\r\n\r\n").await, "HTTP/1.1 103 Early Hints\r\nlink: </c>\r\n\r\n");
            go.notify_one();
            assert!(raw.until("\r\n\r\nok").await.starts_with("HTTP/1.1 200 OK\r\n"), "{over:?}");
        }
    }
}

#[tokio::test]
async fn hints_come_while_the_body_is_still_sent() {
    let world = Over::Http1
        .world(scripted(|mut line| async move {
            line.head().await.unwrap();
            line.until("one").await.unwrap();
            line.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").await;
            line.until("two").await.unwrap();
            line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            line.rest().await;
        }))
        .await;
    let mut raw = world.raw().await;
    let (host, token) = (&world.host, &world.token);
    let head = format!("POST / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Length: 6\r\n\r\n");
    raw.send(head + "one").await;
    assert_eq!(raw.until("\r\n\r\n").await, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
    raw.send("two").await;
    assert!(raw.until("\r\n\r\nok").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn an_http_1_0_caller_gets_no_hints() {
    for over in [Over::Http1, Over::Plain] {
        let go = Arc::new(Notify::new());
        let world = over.world(hinting(&go)).await;
        let mut raw = over.raw(&world).await;
        raw.send(get(&world, "HTTP/1.0")).await;
        go.notify_one();
        let answer = raw.until("\r\n\r\nok").await;
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "RFC 9110 §15.2, {over:?}: {answer}");
    }
}

#[tokio::test]
async fn hints_come_in_order_before_an_http2_answer() {
    let go = Arc::new(Notify::new());
    let world = Over::Http2.world(hinting(&go)).await;
    // hyper's client tells of no informational answers over HTTP/2.
    let mut client = layer_below(&world).await;
    for _ in 0..3 {
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("{}/", world.url))
            .header("authorization", format!("Bearer {}", world.token))
            .body(())
            .unwrap();
        let (mut answer, _) = client.sender.send_request(request, true).unwrap();
        let mut hints = Vec::new();
        while hints.len() < 3 {
            let hint = within("a hint", std::future::poll_fn(|cx| answer.poll_informational(cx))).await;
            let hint = hint.expect("a hint before the answer").unwrap();
            let links: Vec<_> =
                hint.headers().get_all("link").iter().map(|link| link.to_str().unwrap().to_owned()).collect();
            assert!(!hint.headers().contains_key("x-hop") && !hint.headers().contains_key("keep-alive"));
            hints.push((hint.status().as_u16(), links.join(" ")));
        }
        assert_eq!(hints, [(103, "</a> </b>".to_owned()), (102, String::new()), (103, "</c>".to_owned())]);
        go.notify_one();
        let answer = within("the answer", answer).await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = within("the body", answer.into_body().data()).await.unwrap().unwrap();
        assert_eq!(body, "ok");
    }
}
