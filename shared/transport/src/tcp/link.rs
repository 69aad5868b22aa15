//! One end of a connection.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use gantz_shared::reset::CloseCode;
use h2::client::SendRequest;
use tokio::sync::{Mutex, mpsc};

use super::chunk::Chunk;
use super::recv::{Incoming, RecvHalf};
use super::send::SendHalf;
use super::state::{Alive, State};
use super::wire;
use crate::Lost;

/// A stream as h2 gives it.
pub(super) type Raw = (h2::SendStream<Chunk>, Incoming);

/// See [`crate::Connection`], whose functions these are.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    alive: Arc<Alive>,
    end: End,
}

#[derive(Debug, Clone)]
pub(super) enum End {
    /// Opens request streams, and takes the one control stream, which it has opened for the agent.
    Relay { requests: SendRequest<Chunk>, control: Arc<std::sync::Mutex<Option<Raw>>> },
    /// Opens the one control stream by waiting for it.
    Agent { streams: Arc<Mutex<mpsc::Receiver<Raw>>>, control: Arc<Mutex<mpsc::Receiver<Raw>>> },
}

impl Link {
    pub(super) fn new(state: Arc<State>, end: End) -> Self {
        Self { alive: Arc::new(Alive(state)), end }
    }

    pub(crate) async fn open(&self) -> Result<(SendHalf, RecvHalf), Lost> {
        if let Some(lost) = self.state().lost() {
            return Err(lost);
        }
        let raw = match &self.end {
            End::Relay { requests, .. } => self.request(requests.clone()).await?,
            End::Agent { control, .. } => self.next(control).await?,
        };
        Ok(self.halves(raw))
    }

    pub(crate) async fn accept(&self) -> Result<(SendHalf, RecvHalf), Lost> {
        let raw = match &self.end {
            End::Relay { control, .. } => {
                let raw = control.lock().unwrap_or_else(PoisonError::into_inner).take();
                match raw {
                    Some(raw) => raw,
                    None => return Err(self.closed().await),
                }
            }
            End::Agent { streams, .. } => self.next(streams).await?,
        };
        Ok(self.halves(raw))
    }

    /// Waits while the agent grants no stream: h2 keeps one that waits, and lets it go when this is dropped.
    async fn request(&self, mut requests: SendRequest<Chunk>) -> Result<Raw, Lost> {
        let sent = requests.send_request(wire::request(wire::STREAM), false);
        let (response, send) = match sent {
            Ok(sent) => sent,
            Err(error) => return Err(self.refused(&error).await),
        };
        let opened = tokio::select! {
            biased;
            opened = poll_fn(|cx| requests.poll_ready(cx)) => opened,
            lost = self.closed() => return Err(lost),
        };
        match opened {
            Ok(()) => Ok((send, Incoming::Awaited(response))),
            Err(error) => Err(self.refused(&error).await),
        }
    }

    /// No stream can be opened any more.
    async fn refused(&self, error: &h2::Error) -> Lost {
        if !error.is_io() && !error.is_go_away() && !error.is_reset() {
            // The ids of streams are used up (RFC 9113 §5.1.1): a new connection has new ones.
            tracing::warn!(%error, "connection takes no more streams");
            self.close(CloseCode::Done, "the connection has no more streams");
        }
        self.closed().await
    }

    async fn next(&self, streams: &Mutex<mpsc::Receiver<Raw>>) -> Result<Raw, Lost> {
        let next = async { streams.lock().await.recv().await };
        tokio::select! {
            biased;
            lost = self.closed() => Err(lost),
            raw = next => match raw {
                Some(raw) => Ok(raw),
                None => Err(self.closed().await),
            },
        }
    }

    fn halves(&self, (send, incoming): Raw) -> (SendHalf, RecvHalf) {
        let send = SendHalf::new(send, self.alive.clone());
        let recv = RecvHalf::new(incoming, send.stream());
        (send, recv)
    }

    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        self.state().close(code, reason);
    }

    pub(crate) fn set_receive_window(&self, bytes: u32) {
        // h2 takes no larger one: there is none (RFC 9113 §6.9.1).
        self.state().set_window(bytes.min(i32::MAX.unsigned_abs()));
    }

    pub(crate) async fn closed(&self) -> Lost {
        self.state().closed().await
    }

    pub(crate) fn remote_address(&self) -> SocketAddr {
        self.state().peer
    }

    pub(crate) fn quiet_for(&self) -> Duration {
        self.state().ear.quiet_for()
    }

    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.state().rtt()
    }

    fn state(&self) -> &State {
        &self.alive.0
    }
}
