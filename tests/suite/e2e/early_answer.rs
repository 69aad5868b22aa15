//! A refusal over HTTP/2 is often there before the caller has sent its body. What follows it must not take it back:
//! there are clients that lose an answer to a reset of its stream.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use gantz_tests::{client, echo, relay, within};
use http::{Request, StatusCode};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[tokio::test]
async fn an_answer_that_does_not_need_the_body_is_not_followed_by_a_reset() {
    let world = relay().server(echo()).start().await;
    let tcp = TcpStream::connect(world.relay.edge_addr()).await.unwrap();
    let connector = TlsConnector::from(Arc::new(client::tls(&world.relay, &[b"h2"])));
    let tls = connector.connect(ServerName::try_from(world.host.clone()).unwrap(), tcp).await.unwrap();
    let (send, mut connection) = h2::client::handshake(tls).await.unwrap();
    let mut ping_pong = connection.ping_pong().unwrap();
    let connection = tokio::spawn(connection);

    let mut send = within("the connection", send.ready()).await.unwrap();
    let request = Request::post(format!("{}/mcp", world.url)).body(()).unwrap();
    let (answer, mut body) = send.send_request(request, false).unwrap();
    let answer = within("the answer", answer).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let mut rest = answer.into_body();
    while let Some(piece) = within("the answer's body", rest.data()).await {
        piece.unwrap();
    }
    // A reset would have been on its way before the answer to this.
    within("a ping", ping_pong.ping(h2::Ping::opaque())).await.unwrap();
    let reset = poll_fn(|cx| Poll::Ready(body.poll_reset(cx))).await;
    assert!(reset.is_pending(), "{reset:?}");
    // The caller ends its body as if nothing were, and the stream is over on both sides.
    body.send_data("late".into(), true).unwrap();
    drop((body, rest, send));
    within("the end of the connection", connection).await.unwrap().unwrap();
}
