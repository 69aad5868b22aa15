//! The relay's side: waits for agents.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use gantz_shared::limits::ALPN;
use gantz_shared::reset::CloseCode;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{EndpointConfig, VarInt};
use quinn_proto::HashedConnectionIdGenerator;

use super::handover::{Path, Socket};
use super::runtime::Runtime;
use super::{Link, mtu, settings};
use crate::{ConnectError, Connection};

/// The relay's side: waits for agents.
#[derive(Debug)]
pub struct Listener {
    endpoint: quinn::Endpoint,
    socket: Arc<Socket>,
}

impl Listener {
    /// Listens on `socket` with the certificates of `tls`; the ALPN is set here. A listener that comes after this one, on
    /// the same address and with the same `key`, tells agents at once that their connections are gone (RFC 9000 §10.3).
    ///
    /// # Errors
    /// A socket that the runtime does not take; a `tls` that cannot do QUIC (TLS 1.3).
    pub fn new(socket: std::net::UdpSocket, mut tls: rustls::ServerConfig, key: &[u8; 32]) -> io::Result<Self> {
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // A call that an attacker can replay would be made twice (RFC 9001 §9.2).
        tls.max_early_data_size = 0;
        let crypto = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        let mut transport = settings();
        // The control stream is the only one that an agent opens.
        transport.max_concurrent_bidi_streams(VarInt::from_u32(1));
        // Where the agent's first link carries less, the agent says so (RFC 9000 §18.2).
        transport.mtu_discovery_config(Some(mtu::discovery(mtu::MOST)));
        config.transport_config(Arc::new(transport)).migration(true);
        let (socket, runtime) = (Arc::new(Socket::new(socket)?), Arc::new(Runtime { mtu: mtu::MOST }));
        let endpoint =
            quinn::Endpoint::new_with_abstract_socket(endpoint(key)?, Some(config), socket.clone(), runtime)?;
        Ok(Self { endpoint, socket })
    }

    /// The next agent that knocks. `None` once the listener is closed. Cancel-safe.
    pub async fn accept(&self) -> Option<Incoming> {
        self.endpoint.accept().await.map(Incoming)
    }

    /// Closes every connection and waits until the peers were told, or for three probe timeouts.
    pub async fn close(&self, code: CloseCode, reason: &str) {
        self.endpoint.close(VarInt::from_u32(code.code()), reason.as_bytes());
        self.endpoint.wait_idle().await;
    }

    /// The address that agents reach.
    ///
    /// # Errors
    /// What the socket reports.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Its socket, for another process to read from now on. The connections on `paths` go on here; packets of others are
    /// the other process's (Linux; elsewhere the system may give it these connections' packets, too, and it resets them).
    ///
    /// # Errors
    /// What the system says of the sockets that this takes, or that what had come could not be read to its end in 3 s,
    /// as under a flood: then all that comes is read here, as before.
    pub async fn hand_over(&self, paths: Vec<Path>) -> io::Result<std::net::UdpSocket> {
        self.socket.hand_over(paths).await
    }

    /// The socket is this one's again: the other process did not come to use it.
    pub fn take_back(&self) {
        self.socket.take_back();
    }
}

/// Least time between two packets that say that a connection is gone: after a restart every agent is to hear it by its
/// next keep-alive, and nobody is to be made a source of floods.
const RESET_INTERVAL: Duration = Duration::from_micros(500);

/// An endpoint that knows the connection ids of the one before it, and how to reset them.
fn endpoint(key: &[u8; 32]) -> io::Result<EndpointConfig> {
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key)));
    // Ids are only told from noise by this: it is no secret that protects anything.
    let [a, b, c, d, e, f, g, h, ..] = *hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"connection ids").as_ref()
    else {
        return Ok(config);
    };
    let seed = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    config
        .cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(seed)))
        .min_reset_interval(RESET_INTERVAL)
        .max_udp_payload_size(mtu::MOST)
        .map_err(io::Error::other)?;
    Ok(config)
}

/// An agent that has sent its first packet.
#[derive(Debug)]
pub struct Incoming(quinn::Incoming);

impl Incoming {
    /// Where the packet came from; proven only when [`is_validated`](Self::is_validated).
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.0.remote_address()
    }

    /// Whether the peer has shown that it receives at its address (RFC 9000 §8.1).
    #[must_use]
    pub fn is_validated(&self) -> bool {
        self.0.remote_address_validated()
    }

    /// Makes the peer prove its address before anything is kept for it (RFC 9000 §8.1.2). A peer that has done so
    /// already is refused instead.
    pub fn retry(self) {
        if let Err(error) = self.0.retry() {
            error.into_incoming().refuse();
        }
    }

    /// Lets the packet be lost: the peer sends another, and somebody else may be there for it.
    pub fn ignore(self) {
        self.0.ignore();
    }

    /// Turns the peer away.
    pub fn refuse(self) {
        self.0.refuse();
    }

    /// Completes the QUIC and TLS handshake.
    ///
    /// # Errors
    /// [`ConnectError`]: what the handshake failed with.
    pub async fn accept(self) -> Result<Connection, ConnectError> {
        let connecting = self.0.accept().map_err(ConnectError::from)?;
        Ok(Link::new(connecting.await.map_err(ConnectError::from)?, None).into())
    }
}
