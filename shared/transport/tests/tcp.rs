//! What is TCP's own: how it is dialled, silence, and a peer that takes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{NAME, Pair, read, tls, within};
use gantz_shared::limits::{HANDSHAKE_DEADLINE, SEND_WINDOW};
use gantz_shared::reset::CloseCode;
use gantz_transport::{ConnectError, Dropped, Lost, tcp};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Little enough to wait for.
const PATIENCE: tcp::Patience =
    tcp::Patience { keep_alive: Duration::from_millis(100), idle: Duration::from_millis(1_000) };

/// Dials `listener`, of whose connections `serve` makes something.
async fn dial<F>(serve: impl FnOnce(TcpStream) -> F) -> ConnectError
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dialer = tcp::Dialer::default();
    let client = tls().1;
    let connecting = tokio::spawn(async move { dialer.connect(address, NAME, client).await });
    let serving = tokio::spawn(serve(listener.accept().await.unwrap().0));
    let connected = within(connecting).await.unwrap();
    serving.abort();
    connected.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn what_stands_in_the_way_is_named() {
    // Another certificate authority than the agent's.
    let stranger = |socket| async {
        let mut server = tls().0;
        server.alpn_protocols = vec![tcp::ALPN.to_vec()];
        assert!(TlsAcceptor::from(Arc::new(server)).accept(socket).await.is_err());
    };
    assert!(matches!(dial(stranger).await, ConnectError::Certificate(_)));
    let website = |mut socket: TcpStream| async move {
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = socket.read_to_end(&mut Vec::new()).await;
    };
    assert_eq!(dial(website).await, ConnectError::Protocol);
    for protocols in [vec![b"h2".to_vec(), b"http/1.1".to_vec()], Vec::new()] {
        let (mut server, client) = tls();
        server.alpn_protocols = protocols;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let edge = async {
            let (socket, _) = listener.accept().await.unwrap();
            TlsAcceptor::from(Arc::new(server)).accept(socket).await.map(|_| ())
        };
        let dialer = tcp::Dialer::default();
        let (_, connected) = tokio::join!(edge, within(dialer.connect(address, NAME, client)));
        assert_eq!(connected.map(|_| ()).unwrap_err(), ConnectError::Protocol);
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = within(tcp::Dialer::default().connect(nobody, NAME, tls().1)).await;
    assert_eq!(refused.map(|_| ()).unwrap_err(), ConnectError::Refused);
}

#[tokio::test]
async fn half_a_handshake_ends_in_time() {
    let began = Instant::now();
    let silent = |mut socket: TcpStream| async move {
        let _ = socket.read_to_end(&mut Vec::new()).await;
    };
    assert_eq!(dial(silent).await, ConnectError::TcpTimeout);
    assert!(began.elapsed() >= HANDSHAKE_DEADLINE);
}

/// Goes on between two ends until it is dropped or told to stop.
async fn proxy(to: SocketAddr, stop: tokio::sync::oneshot::Receiver<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(to).await.unwrap();
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => {}
            _ = stop => {}
        }
        // Neither end hears that it is over.
        std::future::pending::<()>().await;
        drop((near, far));
    });
    address
}

#[tokio::test]
async fn silence_is_a_loss_and_quiet_is_not() {
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let pair = Pair::tcp_with(PATIENCE, |address| proxy(address, stopped)).await;
    let mut stream = pair.stream().await;
    // Longer than silence is borne: the keep-alive is heard.
    let quiet = tokio::time::timeout(PATIENCE.idle * 3, async {
        tokio::select! {
            lost = pair.relay.closed() => lost,
            lost = pair.agent.closed() => lost,
        }
    });
    assert!(quiet.await.is_err());
    assert!(pair.agent.rtt().is_some());
    assert_eq!(pair.relay.rtt(), None);
    stop.send(()).unwrap();
    let reading = tokio::spawn(async move { read(&mut stream.relay.1).await });
    let (relay, agent) = within(async { tokio::join!(pair.relay.closed(), pair.agent.closed()) }).await;
    assert_eq!((relay, agent), (Lost::Silent, Lost::Silent));
    assert_eq!(within(reading).await.unwrap(), Err(Lost::Silent.into()));
    assert_eq!(pair.relay.open(Dropped::CALLER).await.map(|_| ()), Err(Lost::Silent));
}

/// A peer that is gone without a word is gone at once, when its system says so.
#[tokio::test]
async fn a_socket_that_ends_is_a_loss() {
    let (near, far) = tokio::io::duplex(1 << 20);
    let acceptor = tcp::Acceptor::default();
    let relay = acceptor.accept(near, ([127, 0, 0, 1], 1).into()).await.unwrap();
    drop(far);
    assert!(matches!(within(relay.closed()).await, Lost::Broken(_)));
}

/// An agent grants all windows that there are and reads nothing: the relay keeps no more than it may.
#[tokio::test]
async fn what_a_peer_does_not_take_is_bounded() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (acceptor, (socket, peer)) = (tcp::Acceptor::default(), far.unwrap());
    let relay = acceptor.accept(socket, peer).await.unwrap();
    let mut agent = h2::server::Builder::new();
    agent.initial_window_size(i32::MAX.unsigned_abs()).initial_connection_window_size(i32::MAX.unsigned_abs());
    let mut agent = agent.handshake::<_, Bytes>(near.unwrap()).await.unwrap();
    // The settings have arrived when the streams that they allow are there.
    let written = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let (relay, written) = (relay.clone(), written.clone());
        tokio::spawn(async move {
            let (mut send, _recv) = relay.open(Dropped::CALLER).await.unwrap();
            while send.write(&mut [Bytes::from(vec![0; 64 << 10])]).await.is_ok() {
                written.fetch_add(64 << 10, Ordering::Relaxed);
            }
        });
    }
    let mut streams = Vec::new();
    while streams.len() < 102 {
        streams.push(within(agent.accept()).await.unwrap().unwrap());
    }
    // From here on it does not read. Waits until no more is written.
    let mut before = usize::MAX;
    while before != written.load(Ordering::Relaxed) {
        before = written.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // Beside what is kept there is what both systems and the agent's h2 took before it stopped.
    let kept = usize::try_from(SEND_WINDOW).unwrap();
    assert!(before < kept + (48 << 20), "{before}");
    let began = Instant::now();
    acceptor.close(CloseCode::ShuttingDown, "enough").await;
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(within(relay.closed()).await, Lost::Here);
}
