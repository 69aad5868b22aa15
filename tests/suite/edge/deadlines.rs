//! The deadlines of the public side, measured for real: paused time does not reach sockets. They run beside each other.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gantz_relay::config::{HEAD_DEADLINE, TLS_HANDSHAKE_DEADLINE};
use gantz_tests::{DOMAIN, World, client, echo, relay};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Room for a machine that is busy with other tests.
const SLACK: Duration = Duration::from_secs(15);

/// Says one byte of `drip` a second, until the peer closes; how long that took.
async fn until_closed(mut stream: impl AsyncRead + AsyncWrite + Unpin, drip: &[u8]) -> Duration {
    let started = Instant::now();
    let mut drip = drip.iter();
    let mut buffer = [0; 1024];
    let closed = async {
        loop {
            match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => return,
                // What a peer says before it closes, such as a TLS alert.
                Ok(Ok(_)) => {}
                Err(_) => {
                    if let Some(byte) = drip.next() {
                        // A peer that has closed is seen by the next read.
                        let _ = stream.write_all(&[*byte]).await;
                        let _ = stream.flush().await;
                    }
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(90), closed).await.expect("closed at last");
    started.elapsed()
}

async fn assert_deadline(what: &str, deadline: Duration, measured: impl Future<Output = Duration>) {
    let took = measured.await;
    eprintln!("deadline: {what}: {took:.1?} of {deadline:?}");
    assert!(took + Duration::from_secs(1) > deadline && took < deadline + SLACK, "{what}: {took:?}");
}

async fn tcp(world: &World) -> TcpStream {
    TcpStream::connect(world.relay.edge_addr()).await.unwrap()
}

async fn tls(world: &World, alpn: &[u8]) -> impl AsyncRead + AsyncWrite + Unpin {
    let tls = TlsConnector::from(Arc::new(client::tls(&world.relay, &[alpn])));
    tls.connect(ServerName::try_from(DOMAIN).unwrap(), tcp(world).await).await.unwrap()
}

#[tokio::test]
async fn a_connection_that_does_not_get_on_is_closed() {
    let world = relay().server(echo()).start().await;
    // A record header that announces 512 bytes, and the start of a ClientHello.
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and then it dawdles";
    let head = b"GET / HTTP/1.1\r\nhost: relay.test\r\nx-slow: and it goes on and on and never ends at all";
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n";
    tokio::join!(
        assert_deadline("no TLS handshake", TLS_HANDSHAKE_DEADLINE, until_closed(tcp(&world).await, b"")),
        assert_deadline("a slow TLS handshake", TLS_HANDSHAKE_DEADLINE, until_closed(tcp(&world).await, hello)),
        assert_deadline("no head", HEAD_DEADLINE, until_closed(tls(&world, b"http/1.1").await, b"")),
        assert_deadline("a slow head", HEAD_DEADLINE, until_closed(tls(&world, b"http/1.1").await, head)),
        assert_deadline("no HTTP/2 preface", HEAD_DEADLINE, until_closed(tls(&world, b"h2").await, b"")),
        assert_deadline("a slow HTTP/2 preface", HEAD_DEADLINE, until_closed(tls(&world, b"h2").await, preface)),
        async {
            let plain = TcpStream::connect(world.relay.http_addr().unwrap()).await.unwrap();
            assert_deadline("a slow head in clear", HEAD_DEADLINE, until_closed(plain, head)).await;
        },
    );
}

#[tokio::test]
async fn a_head_in_good_time_is_served_however_many_pieces_it_has() {
    let world = relay().server(echo()).start().await;
    let mut caller = world.raw().await;
    let head =
        format!("POST / HTTP/1.1\r\nhost: {}\r\nx-api-key: {}\r\ncontent-length: 2\r\n\r\nok", world.host, world.token);
    for byte in head.bytes() {
        caller.send([byte]).await;
    }
    assert!(caller.until("\r\n\r\nok").await.starts_with("HTTP/1.1 200"));
}
