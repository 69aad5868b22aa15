//! The relay inside the agent, for a first run with nothing configured: this machine only, plain HTTP, one tunnel.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use gantz_relay::{Access, Config, Domain, Relay, Routing, Sockets, StartError, TlsConfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::{RelayAddress, Trust};

/// Where it listens unless it is told otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A relay inside this process.
#[derive(Debug)]
pub struct Embedded {
    /// The relay.
    pub relay: Relay,
    /// Where the agent finds it.
    pub address: RelayAddress,
    /// What the agent believes.
    pub trust: Trust,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// The address is not to be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system reports.
        source: io::Error,
    },
    /// The relay does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its certificate cannot be read.
    #[error("the embedded relay has no certificate")]
    Certificate,
}

/// Starts one on `listen`; with IPv4 loopback, on IPv6 loopback as well where that is free, because `localhost` is
/// either.
///
/// # Errors
/// [`EmbeddedError`]
pub fn start(listen: SocketAddr) -> Result<Embedded, EmbeddedError> {
    let failed = |source| EmbeddedError::Listen { address: listen, source };
    let first = TcpListener::bind(listen).map_err(failed)?;
    let port = first.local_addr().map_err(failed)?.port();
    let mut edge = vec![first];
    if listen.ip() == Ipv4Addr::LOCALHOST {
        let second = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        match TcpListener::bind(second) {
            Ok(second) => edge.push(second),
            // Callers of `localhost` would reach whoever has it.
            Err(source) if source.kind() == io::ErrorKind::AddrInUse => {
                return Err(EmbeddedError::Listen { address: second, source });
            }
            Err(error) => tracing::debug!(%error, "not on IPv6 loopback"),
        }
    }
    let agents = gantz_transport::quic::bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(failed)?;
    let domain = Domain::parse("localhost").map_err(|_| EmbeddedError::Certificate)?;
    let config = Config {
        routing: Routing::Single,
        access: Access::Open,
        drain: crate::config::GRACE,
        ..Config::new(domain, TlsConfig::Off)
    };
    let relay = Relay::start(config, Sockets { edge, agents, http: None, admin: None, predecessor: None })?;
    let pem = relay.ca_pem().ok_or(EmbeddedError::Certificate)?;
    let ca = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| EmbeddedError::Certificate)?;
    let address = RelayAddress { host: Ipv4Addr::LOCALHOST.to_string(), port: relay.agent_addr().port() };
    Ok(Embedded { relay, address, trust: Trust::Only(vec![ca]) })
}
