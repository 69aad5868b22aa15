//! A connection of quinn's.

use std::net::SocketAddr;
use std::time::Duration;

use gantz_shared::reset::CloseCode;
use quinn::VarInt;

use super::{RecvHalf, SendHalf};
use crate::Lost;

/// See [`crate::Connection`], whose functions these are.
#[derive(Debug, Clone)]
pub(crate) struct Link(pub(super) quinn::Connection);

impl Link {
    pub(crate) async fn open(&self) -> Result<(SendHalf, RecvHalf), Lost> {
        let (send, recv) = self.0.open_bi().await.map_err(Lost::from)?;
        Ok((SendHalf(send), RecvHalf(recv)))
    }

    pub(crate) async fn accept(&self) -> Result<(SendHalf, RecvHalf), Lost> {
        let (send, recv) = self.0.accept_bi().await.map_err(Lost::from)?;
        Ok((SendHalf(send), RecvHalf(recv)))
    }

    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        self.0.close(VarInt::from_u32(code.code()), reason.as_bytes());
    }

    pub(crate) fn set_receive_window(&self, bytes: u32) {
        self.0.set_receive_window(VarInt::from_u32(bytes));
    }

    pub(crate) async fn closed(&self) -> Lost {
        Lost::from(self.0.closed().await)
    }

    pub(crate) fn remote_address(&self) -> SocketAddr {
        self.0.remote_address()
    }

    pub(crate) fn received(&self) -> u64 {
        self.0.stats().udp_rx.datagrams
    }

    pub(crate) fn path(&self) -> super::Path {
        (self.0.remote_address(), self.0.local_ip())
    }

    pub(crate) fn rtt(&self) -> Duration {
        self.0.rtt()
    }
}

impl From<quinn::ConnectionError> for Lost {
    fn from(error: quinn::ConnectionError) -> Self {
        use quinn::ConnectionError as E;
        match error {
            E::ApplicationClosed(close) => Self::Closed {
                code: CloseCode::from_code(close.error_code.into_inner()),
                reason: String::from_utf8_lossy(&close.reason).into_owned(),
            },
            E::LocallyClosed => Self::Here,
            E::TimedOut => Self::Silent,
            other => Self::Broken(other.to_string()),
        }
    }
}
