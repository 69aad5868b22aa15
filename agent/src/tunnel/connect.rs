//! A connection to the relay: over QUIC, or over TCP where UDP does not get through.
//!
//! The two are raced as browsers race address families (RFC 8305): QUIC begins, and TCP joins in when QUIC has not got
//! through within [`HEAD_START`], or has failed. Whatever is through first carries the tunnel.

use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;

use gantz_transport::{ConnectError, Connection, quic, tcp};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::dial::OpenError;
use crate::config::{HEAD_START, Transports};

/// What carries a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// QUIC, over UDP.
    Quic,
    /// TLS over TCP.
    Tcp,
}

/// What carries a tunnel, and why it is not what comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// What it is.
    pub by: Transport,
    /// Why; none where nothing else was to be expected.
    pub why: Option<String>,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quic => "quic",
            Self::Tcp => "tcp",
        })
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.by.fmt(f)?;
        self.why.as_ref().map_or(Ok(()), |why| write!(f, " ({why})"))
    }
}

/// What keeps a connection's socket.
#[derive(Debug)]
pub(super) enum Dialer {
    Quic(quic::Dialer),
    Tcp(tcp::Dialer),
}

impl Dialer {
    /// Goes on from where this machine is now. Over TCP that would be another connection.
    pub(super) fn rebind(&self) {
        if let Self::Quic(dialer) = self
            && let Err(error) = dialer.rebind()
        {
            tracing::debug!(%error, "no other socket");
        }
    }

    /// Waits until the peers of closed connections were told.
    pub(super) async fn wait_idle(&self) {
        match self {
            Self::Quic(dialer) => dialer.wait_idle().await,
            Self::Tcp(dialer) => dialer.wait_idle().await,
        }
    }
}

/// A connection that has come about.
#[derive(Debug)]
pub(super) struct Dialled {
    pub(super) dialer: Dialer,
    pub(super) connection: Connection,
    pub(super) carried: Carried,
}

/// Connects to `address`, whose certificate must be for `host`, over one of `transports`. Done or failed within
/// [`gantz_shared::limits::HANDSHAKE_DEADLINE`], and [`HEAD_START`].
pub(super) async fn connect(
    transports: Transports,
    address: SocketAddr,
    host: &str,
    tls: ClientConfig,
) -> Result<Dialled, OpenError> {
    match transports {
        Transports::Quic => over_quic(address, host, tls).await,
        Transports::Tcp => over_tcp(address, host, tls, "--transport tcp".into()).await.map_err(OpenError::Connect),
        Transports::Auto => race(address, host, tls).await,
    }
}

async fn over_quic(address: SocketAddr, host: &str, tls: ClientConfig) -> Result<Dialled, OpenError> {
    let dialer = quic::Dialer::new(address).map_err(|error| OpenError::Socket(error.to_string()))?;
    let connection = dialer.connect(address, host, tls).await?;
    Ok(Dialled { dialer: Dialer::Quic(dialer), connection, carried: Carried { by: Transport::Quic, why: None } })
}

async fn over_tcp(address: SocketAddr, host: &str, tls: ClientConfig, why: String) -> Result<Dialled, ConnectError> {
    let dialer = tcp::Dialer::default();
    let connection = dialer.connect(address, host, tls).await?;
    Ok(Dialled { dialer: Dialer::Tcp(dialer), connection, carried: Carried { by: Transport::Tcp, why: Some(why) } })
}

async fn race(address: SocketAddr, host: &str, tls: ClientConfig) -> Result<Dialled, OpenError> {
    let mut quic = pin!(over_quic(address, host, tls.clone()));
    let mut failed = match timeout(HEAD_START, &mut quic).await {
        Ok(Ok(dialled)) => return Ok(dialled),
        Ok(Err(error)) if is_an_answer(&error) => return Err(error),
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    let why = match &failed {
        Some(error) => error.to_string(),
        None => format!("no answer over UDP within {} ms", HEAD_START.as_millis()),
    };
    let mut tcp = pin!(over_tcp(address, host, tls, why));
    let mut refused = None;
    loop {
        tokio::select! {
            biased;
            dialled = &mut quic, if failed.is_none() => match dialled {
                Err(error) if !is_an_answer(&error) => failed = Some(error),
                settled => return settled,
            },
            dialled = &mut tcp, if refused.is_none() => match dialled {
                Ok(dialled) => return Ok(dialled),
                Err(error) => refused = Some(error),
            },
        }
        match (&failed, &refused) {
            // That of TCP is the relay's own word; over UDP there was none.
            (Some(_), Some(error @ ConnectError::Certificate(_))) => return Err(OpenError::Connect(error.clone())),
            (Some(udp), Some(tcp)) => {
                return Err(OpenError::Blocked { udp: udp.to_string(), tcp: tcp.clone() });
            }
            _ => {}
        }
    }
}

/// Whether the relay has answered over UDP: over TCP it would say the same.
fn is_an_answer(error: &OpenError) -> bool {
    use ConnectError as E;
    matches!(error, OpenError::Connect(E::Certificate(_) | E::Protocol | E::Refused))
}
