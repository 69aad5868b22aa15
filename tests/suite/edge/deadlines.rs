//! The deadlines of the public side, measured for real: paused time does not reach sockets. They run beside each other.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use gantz_relay::config::{Deadlines, Limits};
use gantz_tests::{DOMAIN, Origin, World, client, echo, relay, within};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Room for a machine that is busy with other tests.
const SLACK: Duration = Duration::from_secs(15);

/// Short ones, all different.
const SHORT: Deadlines = Deadlines {
    handshake: Duration::from_millis(1_500),
    first_byte: Duration::from_millis(2_500),
    head: Duration::from_millis(3_500),
    idle: Duration::from_millis(4_500),
    body: Duration::from_millis(5_500),
    reader: Duration::from_millis(6_500),
};

async fn world() -> World {
    let routes =
        Router::new().route("/big", post(|| async { vec![b'x'; 64 << 20] })).fallback(async |body: Bytes| body);
    relay()
        .server(Origin::axum(routes))
        .relay_config(|config| config.limits = Limits { deadlines: SHORT, ..Limits::default() })
        .start()
        .await
}

/// Says one byte of `drip` a second, until the peer closes; how long that took, and what it said.
async fn until_closed(mut stream: impl AsyncRead + AsyncWrite + Unpin, drip: &[u8]) -> (Duration, String) {
    let started = Instant::now();
    let mut drip = drip.iter();
    let mut said = Vec::new();
    let closed = async {
        loop {
            match tokio::time::timeout(Duration::from_secs(1), stream.read_buf(&mut said)).await {
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
    (started.elapsed(), String::from_utf8_lossy(&said).into_owned())
}

/// What was said by the end, which came at the deadline.
async fn assert_deadline(what: &str, deadline: Duration, measured: impl Future<Output = (Duration, String)>) -> String {
    let (took, said) = measured.await;
    eprintln!("deadline: {what}: {took:.1?} of {deadline:?}");
    assert!(took + Duration::from_millis(500) > deadline && took < deadline + SLACK, "{what}: {took:?}");
    said
}

async fn tcp(world: &World) -> TcpStream {
    TcpStream::connect(world.relay.edge_addr()).await.unwrap()
}

async fn tls(world: &World, alpn: &[u8]) -> impl AsyncRead + AsyncWrite + Unpin + use<> {
    let tls = TlsConnector::from(Arc::new(client::tls(&world.relay, &[alpn])));
    tls.connect(ServerName::try_from(DOMAIN).unwrap(), tcp(world).await).await.unwrap()
}

/// As [`tls`], for the tunnel, and `said` has been said.
async fn caller(world: &World, said: &str) -> impl AsyncRead + AsyncWrite + Unpin + use<> {
    let tls = TlsConnector::from(Arc::new(client::tls(&world.relay, &[b"http/1.1"])));
    let name = ServerName::try_from(world.host.clone()).unwrap();
    let mut stream = tls.connect(name, tcp(world).await).await.unwrap();
    stream.write_all(said.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    stream
}

fn head(world: &World, method: &str, path: &str, rest: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nx-api-key: {}\r\n{rest}\r\n", world.host, world.token)
}

/// Reads until an answer's body has begun.
async fn read_some(stream: &mut (impl AsyncRead + Unpin)) {
    let mut said = Vec::new();
    while !said.windows(4).any(|window| window == b"\r\n\r\n") {
        assert!(within("an answer", stream.read_buf(&mut said)).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_connection_that_does_not_get_on_is_closed() {
    let world = world().await;
    // A record header that announces 512 bytes, and the start of a ClientHello.
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and then it dawdles";
    let slow = b"GET / HTTP/1.1\r\nhost: relay.test\r\nx-slow: and it goes on and on and never ends at all";
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n";
    tokio::join!(
        assert_deadline("no TLS handshake", SHORT.handshake, async { until_closed(tcp(&world).await, b"").await }),
        assert_deadline("a slow TLS handshake", SHORT.handshake, async {
            until_closed(tcp(&world).await, hello).await
        }),
        assert_deadline("no head", SHORT.first_byte, async { until_closed(tls(&world, b"http/1.1").await, b"").await }),
        async {
            let closed = async { until_closed(tls(&world, b"http/1.1").await, slow).await };
            let said = assert_deadline("a slow head", SHORT.head, closed).await;
            assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("gantz-error: request_timeout"), "{said}");
        },
        assert_deadline("no HTTP/2 preface", SHORT.first_byte, async {
            until_closed(tls(&world, b"h2").await, b"").await
        }),
        assert_deadline("a slow HTTP/2 preface", SHORT.first_byte, async {
            until_closed(tls(&world, b"h2").await, preface).await
        }),
        assert_deadline("an HTTP/2 connection without a request", SHORT.idle, async {
            let mut stream = tls(&world, b"h2").await;
            // The preface, and SETTINGS without a setting.
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
            let started = Instant::now();
            let mut said = Vec::new();
            // GOAWAY without an error: the relay has had enough, and waits for nothing but the caller's leaving.
            while !said.windows(9).any(|frame| frame[..4] == [0, 0, 8, 7]) {
                assert!(within("GOAWAY", stream.read_buf(&mut said)).await.unwrap() > 0);
            }
            (started.elapsed(), String::new())
        }),
        async {
            let plain = TcpStream::connect(world.relay.http_addr().unwrap()).await.unwrap();
            assert_deadline("a slow head in clear", SHORT.head, until_closed(plain, slow)).await;
        },
        assert_deadline("no next request", SHORT.idle, async {
            let mut stream = caller(&world, &head(&world, "GET", "/", "")).await;
            read_some(&mut stream).await;
            until_closed(stream, b"").await
        }),
        async {
            let closed = async {
                let stream = caller(&world, &(head(&world, "POST", "/", "content-length: 9\r\n") + "half")).await;
                until_closed(stream, b"").await
            };
            let said = assert_deadline("half a body", SHORT.body, closed).await;
            assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("gantz-error: bad_request"), "{said}");
        },
        assert_deadline("an answer that nobody reads", SHORT.reader, async {
            let mut stream = caller(&world, &head(&world, "POST", "/big", "content-length: 0\r\n")).await;
            read_some(&mut stream).await;
            // Reading would be progress: only whether the relay still listens can be looked at.
            let started = Instant::now();
            while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {
                assert!(started.elapsed() < Duration::from_secs(90), "closed at last");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            (started.elapsed(), String::new())
        }),
    );
}

#[tokio::test]
async fn whoever_gets_on_is_not_cut_off() {
    let world = world().await;
    // Longer than every deadline, in pieces that are shorter.
    let mut stream = caller(&world, &head(&world, "POST", "/", "content-length: 6\r\n")).await;
    for byte in b"slowly" {
        tokio::time::sleep(SHORT.body / 3).await;
        stream.write_all(&[*byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut said = Vec::new();
    while !said.ends_with(b"slowly") {
        assert!(within("an answer", stream.read_buf(&mut said)).await.unwrap() > 0, "{said:?}");
    }
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
