//! The agent's side: connects to a relay.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use gantz_shared::limits::HANDSHAKE_DEADLINE;
use rustls::AlertDescription;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::chunk::Chunk;
use super::driver::Driver;
use super::farewell::Keeper;
use super::io::Io;
use super::link::{End, Link};
use super::state::State;
use super::wire::Wire;
use super::{ALPN, MAX_STREAMS, Patience, limits};
use crate::{ConnectError, Connection};

/// Streams that wait to be accepted; more wait in h2, which counts those that are reset meanwhile.
const WAITING: usize = 64;

/// The agent's side: opens connections.
#[derive(Debug)]
pub struct Dialer {
    keeper: Keeper,
    patience: Patience,
}

impl Default for Dialer {
    fn default() -> Self {
        Self::new(Patience::default())
    }
}

impl Dialer {
    /// For connections that bear silence as long as `patience` says.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self { keeper: Keeper::new(), patience }
    }

    /// Connects to `remote`, whose certificate must be for `server_name`. Done or failed within
    /// [`HANDSHAKE_DEADLINE`].
    ///
    /// # Errors
    /// [`ConnectError`] says what stood in the way.
    pub async fn connect(
        &self,
        remote: SocketAddr,
        server_name: &str,
        tls: rustls::ClientConfig,
    ) -> Result<Connection, ConnectError> {
        let connecting = Box::pin(self.shake_hands(remote, server_name, tls));
        tokio::time::timeout(HANDSHAKE_DEADLINE, connecting).await.unwrap_or(Err(ConnectError::TcpTimeout))
    }

    /// Waits until the peers of closed connections were told.
    pub async fn wait_idle(&self) {
        self.keeper.wait_idle().await;
    }

    async fn shake_hands(
        &self,
        remote: SocketAddr,
        server_name: &str,
        tls: rustls::ClientConfig,
    ) -> Result<Connection, ConnectError> {
        let io = secured(remote, server_name, tls).await?;
        let state = State::new(remote);
        let (io, seen) = Io::new(io, state.ear.clone());
        let mut builder = h2::server::Builder::new();
        let handshake = limits!(builder).max_concurrent_streams(MAX_STREAMS).handshake::<_, Chunk>(io);
        let connection = handshake.await.map_err(|error| ConnectError::Other(error.to_string()))?;
        let (streams, waiting) = mpsc::channel(WAITING);
        let (control, own) = mpsc::channel(1);
        let driver = Driver {
            state: state.clone(),
            wire: Wire::Agent(connection),
            seen,
            link: None,
            streams,
            control,
            patience: self.patience,
            group: self.keeper.group(),
        };
        tokio::spawn(driver.run());
        let end = End::Agent { streams: Arc::new(Mutex::new(waiting)), control: Arc::new(Mutex::new(own)) };
        Ok(Link::new(state, end).into())
    }
}

/// TCP, then TLS.
async fn secured(
    remote: SocketAddr,
    server_name: &str,
    mut tls: rustls::ClientConfig,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let name = ServerName::try_from(server_name.to_owned()).map_err(|error| ConnectError::Other(error.to_string()))?;
    let socket = TcpStream::connect(remote).await.map_err(|error| failure(&error))?;
    socket.set_nodelay(true).map_err(|error| failure(&error))?;
    let io = TlsConnector::from(Arc::new(tls)).connect(name, socket).await.map_err(|error| failure(&error))?;
    // A server that knows no protocols at all agrees to none (RFC 7301 §3.2).
    if io.get_ref().1.alpn_protocol() == Some(ALPN) { Ok(io) } else { Err(ConnectError::Protocol) }
}

fn failure(error: &io::Error) -> ConnectError {
    use rustls::Error as E;
    match error.get_ref().and_then(|inner| inner.downcast_ref::<E>()) {
        Some(E::AlertReceived(AlertDescription::NoApplicationProtocol) | E::NoApplicationProtocol) => {
            ConnectError::Protocol
        }
        // Whoever is there does not speak TLS, or only what is too old.
        Some(E::InvalidMessage(_) | E::PeerIncompatible(_)) => ConnectError::Protocol,
        Some(error @ (E::InvalidCertificate(_) | E::NoCertificatesPresented | E::AlertReceived(_))) => {
            ConnectError::Certificate(error.to_string())
        }
        _ if error.kind() == io::ErrorKind::ConnectionRefused => ConnectError::Refused,
        _ if error.kind() == io::ErrorKind::TimedOut => ConnectError::TcpTimeout,
        _ => ConnectError::Other(error.to_string()),
    }
}
