//! A connection that is slow, and how long the relay puts up with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gantz_tests::client::trusting;
use gantz_tests::within;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::slow::{DEADLINE, SLACK};
use crate::target::Target;

/// How many are opened at once, so that none waits long for its turn.
const STEP: usize = 50;

/// In what a connection is slow.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Half a ClientHello.
    HalfHandshake,
    /// TLS, and not a byte.
    Silent,
    /// A byte of a head a second.
    Header,
    /// Half a body.
    Body,
    /// Takes one byte of an answer.
    Reader,
}

/// What a caller knows of the relay.
pub(crate) struct Door {
    port: u16,
    connector: TlsConnector,
    hosts: Vec<String>,
    token: String,
    turns: Semaphore,
    open: AtomicUsize,
    most: AtomicUsize,
}

type Tls = TlsStream<TcpStream>;

impl Door {
    pub(crate) fn new(target: &Target) -> Self {
        let hosts = if target.more.is_empty() { vec![target.host.clone()] } else { target.more.clone() };
        Self {
            port: target.port,
            connector: TlsConnector::from(Arc::new(trusting(&target.pem, &[b"http/1.1"]))),
            hosts,
            token: target.token.clone(),
            turns: Semaphore::new(STEP),
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    /// How many were open at once.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    async fn tls(&self, host: &str, tcp: TcpStream) -> Tls {
        let name = ServerName::try_from(host.to_owned()).unwrap();
        within("a TLS handshake", self.connector.connect(name, tcp)).await.unwrap()
    }

    async fn tcp(&self) -> TcpStream {
        within("a connection", TcpStream::connect(("127.0.0.1", self.port))).await.unwrap()
    }

    /// One that can take next to nothing: over loopback the system alone would else take all of the
    /// answer on its way.
    async fn small(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        socket2::SockRef::from(&socket).set_tcp_mss(536).unwrap();
        within("a connection", socket.connect(([127, 0, 0, 1], self.port).into())).await.unwrap()
    }

    /// TLS, and the start of a request.
    async fn request(&self, host: &str, tcp: TcpStream, request: &str) -> Tls {
        let mut tls = self.tls(host, tcp).await;
        let head = format!("{request} HTTP/1.1\r\nhost: {host}\r\nx-api-key: {}\r\n", self.token);
        let rest = if request.starts_with("POST") { "content-length: 9\r\n\r\nhalf" } else { "\r\n" };
        tls.write_all((head + rest).as_bytes()).await.unwrap();
        tls.flush().await.unwrap();
        tls
    }

    /// Opens connection `number` and dawdles: how long until the relay closed it, from when its deadline runs.
    pub(crate) async fn dawdle(&self, kind: Kind, number: usize) -> Duration {
        let host = &self.hosts[number % self.hosts.len()];
        let turn = self.turns.acquire().await.unwrap();
        let (mut tcp, mut tls) = match kind {
            Kind::HalfHandshake => (Some(self.tcp().await), None),
            Kind::Silent | Kind::Header => (None, Some(self.tls(host, self.tcp().await).await)),
            Kind::Body => (None, Some(self.request(host, self.tcp().await, "POST /").await)),
            Kind::Reader => (None, Some(self.request(host, self.small().await, "GET /big").await)),
        };
        if let Some(tcp) = &mut tcp {
            // A record that announces 512 bytes, and the start of a ClientHello.
            tcp.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and then it dawdles").await.unwrap();
        }
        if let (Kind::Reader, Some(tls)) = (kind, &mut tls) {
            within("the start of an answer", tls.read_u8()).await.unwrap();
        }
        let started = Instant::now();
        self.most.fetch_max(1 + self.open.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        drop(turn);

        let closed = async {
            match (kind, &mut tcp, &mut tls) {
                // Reading would be progress: what can be seen without it is the relay's reset.
                (Kind::Reader, _, Some(tls)) => {
                    tls.get_ref().0.ready(Interest::ERROR).await.unwrap();
                }
                (Kind::Header, _, Some(tls)) => drip(tls).await,
                (_, Some(tcp), _) => while tcp.read(&mut [0; 64]).await.unwrap_or(0) > 0 {},
                (_, _, Some(tls)) => while tls.read(&mut [0; 512]).await.unwrap_or(0) > 0 {},
                _ => unreachable!("it has one of both"),
            }
        };
        tokio::time::timeout(DEADLINE + SLACK, closed).await.expect("closed at last");
        self.open.fetch_sub(1, Ordering::Relaxed);
        started.elapsed()
    }
}

/// Says a byte of a head a second until the relay closes.
async fn drip(tls: &mut Tls) {
    let mut head = b"GET / HTTP/1.1\r\nhost: relay.test\r\nx-slow: and it goes on and on and never ends".iter();
    let mut said = [0; 512];
    let mut byte = head.next();
    loop {
        if let Some(byte) = byte.take() {
            // A relay that has closed is seen by the next read.
            let _ = tls.write_all(&[*byte]).await;
            let _ = tls.flush().await;
        }
        match tokio::time::timeout(Duration::from_secs(1), tls.read(&mut said)).await {
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(_)) => {}
            Err(_) => byte = head.next(),
        }
    }
}
