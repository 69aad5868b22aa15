//! What quinn runs on: tokio, with a socket of our own where the system lets it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use quinn::{AsyncTimer, AsyncUdpSocket, TokioRuntime};

/// See the module's head.
#[derive(Debug)]
pub(super) struct Runtime {
    /// Bytes of UDP payload that may come.
    #[cfg_attr(not(unix), expect(dead_code, reason = "tokio's own socket does not ask"))]
    pub(super) mtu: u16,
}

impl quinn::Runtime for Runtime {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        TokioRuntime.spawn(future);
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        #[cfg(unix)]
        return Ok(Arc::new(super::udp::Udp::new(socket, self.mtu)?));
        #[cfg(not(unix))]
        return TokioRuntime.wrap_udp_socket(socket);
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }
}
