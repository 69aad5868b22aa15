//! The relay's side: makes connections of what agents have dialled.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use gantz_shared::reset::CloseCode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::chunk::Chunk;
use super::driver::Driver;
use super::farewell::Keeper;
use super::io::Io;
use super::link::{End, Link};
use super::recv::Incoming;
use super::state::State;
use super::wire::{self, Wire};
use super::{Patience, limits};
use crate::{ConnectError, Connection};

/// Streams that are opened before the agent has said how many it takes: the link and the control stream.
const FIRST_STREAMS: usize = 2;

/// The relay's side: keeps the connections that it has made, to close them together.
#[derive(Debug)]
pub struct Acceptor {
    keeper: Keeper,
    patience: Patience,
}

impl Default for Acceptor {
    fn default() -> Self {
        Self::new(Patience::default())
    }
}

impl Acceptor {
    /// For connections that bear silence as long as `patience` says.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self { keeper: Keeper::new(), patience }
    }

    /// A connection of `io`, whose TLS handshake has agreed on [`ALPN`](super::ALPN); `peer` is the agent's address. The
    /// socket should not wait for full segments (`TCP_NODELAY`).
    ///
    /// # Errors
    /// [`ConnectError`], when the first frames cannot be written.
    pub async fn accept(
        &self,
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: SocketAddr,
    ) -> Result<Connection, ConnectError> {
        let state = State::new(peer);
        let (io, seen) = Io::new(io, state.ear.clone());
        let failed = |error: h2::Error| ConnectError::Other(error.to_string());
        let mut builder = h2::client::Builder::new();
        let (mut requests, connection) = limits!(builder)
            .enable_push(false)
            .initial_max_send_streams(FIRST_STREAMS)
            .handshake::<_, Chunk>(io)
            .await
            .map_err(failed)?;
        let mut open = |path| {
            let (response, send) = requests.send_request(wire::request(path), false)?;
            Ok((send, Incoming::Awaited(response)))
        };
        let link = open(wire::LINK).map_err(failed)?;
        let control = Arc::new(Mutex::new(Some(open(wire::CONTROL).map_err(failed)?)));
        let driver = Driver {
            state: state.clone(),
            wire: Wire::Relay(connection),
            seen,
            link: Some(link),
            streams: mpsc::channel(1).0,
            control: mpsc::channel(1).0,
            patience: self.patience,
            group: self.keeper.group(),
        };
        tokio::spawn(driver.run());
        Ok(Link::new(state, End::Relay { requests, control }).into())
    }

    /// Closes every connection and waits until the peers were told, or for two seconds.
    pub async fn close(&self, code: CloseCode, reason: &str) {
        self.keeper.close(code, reason);
        self.keeper.wait_idle().await;
    }
}
