//! The agent's side: connects to a relay.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use gantz_shared::limits::{ALPN, HANDSHAKE_DEADLINE, KEEP_ALIVE_INTERVAL};
use quinn::VarInt;
use quinn::crypto::rustls::QuicClientConfig;

use super::granted::{self, Granted};
use super::runtime::Runtime;
use super::socket::any;
use super::{Link, bind, mtu, settings};
use crate::{ConnectError, Connection};

/// The agent's side: opens one connection.
#[derive(Debug)]
pub struct Dialer {
    endpoint: quinn::Endpoint,
    /// Bytes of UDP payload that are looked for, both ways.
    mtu: u16,
}

impl Dialer {
    /// An endpoint on a port that the system chooses, in the address family of `remote`.
    ///
    /// # Errors
    /// What binding reports.
    pub fn new(remote: SocketAddr) -> io::Result<Self> {
        let mtu = mtu::towards(remote);
        let mut config = quinn::EndpointConfig::default();
        config.max_udp_payload_size(mtu).map_err(io::Error::other)?;
        let endpoint = quinn::Endpoint::new(config, None, bind(any(remote))?, Arc::new(Runtime { mtu }))?;
        Ok(Self { endpoint, mtu })
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
        mut tls: rustls::ClientConfig,
    ) -> Result<Connection, ConnectError> {
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let crypto = QuicClientConfig::try_from(tls).map_err(|error| ConnectError::Other(error.to_string()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        let mut transport = settings();
        transport
            .keep_alive_interval(Some(KEEP_ALIVE_INTERVAL))
            .max_concurrent_bidi_streams(VarInt::from_u32(granted::FIRST))
            .mtu_discovery_config(Some(mtu::discovery(self.mtu)));
        config.transport_config(Arc::new(transport));
        let connecting = self
            .endpoint
            .connect_with(config, remote, server_name)
            .map_err(|error| ConnectError::Other(error.to_string()))?;
        match tokio::time::timeout(HANDSHAKE_DEADLINE, connecting).await {
            Ok(connection) => Ok(Link::new(connection.map_err(ConnectError::from)?, Some(Granted::new())).into()),
            Err(_) => Err(ConnectError::Timeout),
        }
    }

    /// Goes on from another port, and from whatever address this machine has now; the peer is told at once (RFC 9000 §9).
    ///
    /// # Errors
    /// What binding reports; then all stays as it is.
    pub fn rebind(&self) -> io::Result<()> {
        let mut any = self.endpoint.local_addr()?;
        any.set_port(0);
        self.endpoint.rebind(bind(any)?)
    }

    /// Waits until the peers of closed connections were told.
    pub async fn wait_idle(&self) {
        self.endpoint.wait_idle().await;
    }
}
