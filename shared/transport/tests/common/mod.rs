//! Both ends of a connection over real sockets and real TLS, once over QUIC and once over TCP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, unused_macros, unused_imports)]

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gantz_transport::{Connection, Dropped, RecvStream, SendStream, StreamLost, quic, tcp};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The name in the relay's certificate.
pub(crate) const NAME: &str = "relay.test";

/// Runs the body over QUIC and over TCP.
macro_rules! over_both {
    ($($(#[$meta:meta])* async fn $name:ident($pair:ident: Pair) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn body($pair: Pair) $body

            #[tokio::test]
            async fn over_quic() {
                body(Pair::quic().await).await;
            }

            #[tokio::test]
            async fn over_tcp() {
                body(Pair::tcp().await).await;
            }
        }
    )*};
}
pub(crate) use over_both;

/// Two ends of one connection.
pub(crate) struct Pair {
    pub(crate) relay: Connection,
    pub(crate) agent: Connection,
    _keep: Keep,
}

enum Keep {
    Quic { _listener: quic::Listener, _dialer: quic::Dialer },
    Tcp { _acceptor: tcp::Acceptor, _dialer: tcp::Dialer },
}

/// One stream, as both ends have it.
pub(crate) struct Stream {
    pub(crate) relay: (SendStream, RecvStream),
    pub(crate) agent: (SendStream, RecvStream),
}

impl Pair {
    pub(crate) async fn quic() -> Self {
        let (server, client) = tls();
        let socket = quic::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = quic::Listener::new(socket, server, &[7; 32]).unwrap();
        let address = listener.local_addr().unwrap();
        let dialer = quic::Dialer::new(address).unwrap();
        let accept = async { listener.accept().await.unwrap().accept().await.unwrap() };
        let (relay, agent) = tokio::join!(accept, dialer.connect(address, NAME, client));
        Self { relay, agent: agent.unwrap(), _keep: Keep::Quic { _listener: listener, _dialer: dialer } }
    }

    pub(crate) async fn tcp() -> Self {
        Self::tcp_with(tcp::Patience::default(), |address| async move { address }).await
    }

    /// Over TCP, where the agent dials what `way` makes of the relay's address.
    pub(crate) async fn tcp_with<F: Future<Output = SocketAddr>>(
        patience: tcp::Patience,
        way: impl FnOnce(SocketAddr) -> F,
    ) -> Self {
        let (server, client) = tls();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = way(listener.local_addr().unwrap()).await;
        let (acceptor, dialer) = (tcp::Acceptor::new(patience), tcp::Dialer::new(patience));
        let accept = async {
            let (socket, peer) = listener.accept().await.unwrap();
            acceptor.accept(secured(socket, server).await, peer).await.unwrap()
        };
        let (relay, agent) = tokio::join!(accept, dialer.connect(address, NAME, client));
        Self { relay, agent: agent.unwrap(), _keep: Keep::Tcp { _acceptor: acceptor, _dialer: dialer } }
    }

    /// A request stream that the agent has heard of.
    pub(crate) async fn stream(&self) -> Stream {
        let mut relay = self.relay.open(Dropped::CALLER).await.unwrap();
        relay.0.write(&mut [Bytes::from_static(b"!")]).await.unwrap();
        let mut agent = within(self.agent.accept(Dropped::UPSTREAM)).await.unwrap();
        assert_eq!(read(&mut agent.1).await, Ok(Some(Bytes::from_static(b"!"))));
        Stream { relay, agent }
    }
}

/// The relay's end of TLS, with the ALPN of the transport over TCP.
pub(crate) async fn secured(socket: TcpStream, mut server: ServerConfig) -> tokio_rustls::server::TlsStream<TcpStream> {
    socket.set_nodelay(true).unwrap();
    server.alpn_protocols = vec![tcp::ALPN.to_vec()];
    TlsAcceptor::from(Arc::new(server)).accept(socket).await.unwrap()
}

/// A relay's and an agent's configuration that fit each other.
pub(crate) fn tls() -> (ServerConfig, ClientConfig) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let certificate = CertificateDer::from(cert.der().to_vec());
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (server, client)
}

/// Waits for what has to happen soon.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("it takes too long")
}

/// Whether `what` does not happen for a while.
pub(crate) async fn waits<T>(what: impl Future<Output = T>) -> bool {
    tokio::time::timeout(Duration::from_millis(300), what).await.is_err()
}

/// The next bytes.
pub(crate) async fn read(recv: &mut RecvStream) -> Result<Option<Bytes>, StreamLost> {
    within(poll_fn(|cx| recv.poll_read(cx))).await
}

/// All bytes, and how they ended.
pub(crate) async fn read_all(recv: &mut RecvStream) -> (Bytes, Result<(), StreamLost>) {
    let mut all = BytesMut::new();
    loop {
        match read(recv).await {
            Ok(Some(bytes)) => all.extend_from_slice(&bytes),
            Ok(None) => return (all.freeze(), Ok(())),
            Err(lost) => return (all.freeze(), Err(lost)),
        }
    }
}

/// Bytes that are told apart wherever they are cut.
pub(crate) fn pattern(length: usize, seed: usize) -> Bytes {
    (0..length).map(|at| u8::try_from((at * 31 + at / 251 + seed) % 251).unwrap()).collect()
}
