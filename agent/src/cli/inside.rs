//! What runs inside this process besides the agent: a relay when none is configured, and the demo server.

use std::net::SocketAddr;

use gantz_shared::failure::{Exit, Failure};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::printer::Printer;
use crate::config::{RelayAddress, Trust};
use crate::upstream::Target;

/// See the module's head.
#[derive(Default)]
pub(super) struct Inside {
    #[cfg(feature = "embedded-relay")]
    relay: Option<gantz_relay::Relay>,
    demo: Option<JoinHandle<std::io::Result<()>>>,
    stop: CancellationToken,
}

impl Inside {
    #[cfg(feature = "embedded-relay")]
    pub(super) fn start_relay(
        &mut self,
        listen: Option<SocketAddr>,
        printer: Printer,
    ) -> Result<(RelayAddress, Trust), Failure> {
        use crate::embedded::{self, DEFAULT_LISTEN, EmbeddedError};
        let started = match (embedded::start(listen.unwrap_or(DEFAULT_LISTEN)), listen) {
            (Err(EmbeddedError::Listen { address, source }), None) => {
                printer.note(&format!("{address} is not free ({source}): taking another port"));
                embedded::start(SocketAddr::new(DEFAULT_LISTEN.ip(), 0))
            }
            (started, _) => started,
        };
        let embedded = started.map_err(|error| {
            Failure::new(Exit::Failed, "cannot start the relay inside this process")
                .why(error)
                .hint("another address with --local-listen, or a relay elsewhere with --relay")
        })?;
        self.relay = Some(embedded.relay);
        Ok((embedded.address, embedded.trust))
    }

    #[cfg(not(feature = "embedded-relay"))]
    pub(super) fn start_relay(&mut self, _: Option<SocketAddr>, _: Printer) -> Result<(RelayAddress, Trust), Failure> {
        Err(Failure::new(Exit::Usage, "no relay is given")
            .why("this build has none inside")
            .hint("--relay HOST[:PORT]"))
    }

    #[cfg(feature = "demo")]
    pub(super) async fn start_demo(&mut self) -> Result<Target, Failure> {
        let failed = |why: String| Failure::new(Exit::Failed, "cannot start the demo server").why(why);
        let listener =
            tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| failed(error.to_string()))?;
        let port = listener.local_addr().map_err(|error| failed(error.to_string()))?.port();
        self.demo = Some(tokio::spawn(crate::demo::serve(listener, self.stop.child_token())));
        format!("{port}").parse().map_err(failed)
    }

    #[cfg(not(feature = "demo"))]
    pub(super) async fn start_demo(&mut self) -> Result<Target, Failure> {
        Err(Failure::new(Exit::Usage, "this build has no demo server").hint("the port of a server of your own"))
    }

    #[cfg(feature = "embedded-relay")]
    async fn shutdown_relay(&mut self) {
        if let Some(relay) = self.relay.take() {
            relay.shutdown().await;
        }
    }

    #[cfg(not(feature = "embedded-relay"))]
    async fn shutdown_relay(&mut self) {}

    /// Ends both; what the relay still has in flight may finish.
    pub(super) async fn shutdown(mut self) {
        self.stop.cancel();
        self.shutdown_relay().await;
        if let Some(demo) = self.demo.take() {
            match demo.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "demo server failed"),
                Err(error) => tracing::error!(%error, "demo server failed"),
            }
        }
    }
}

#[cfg(feature = "demo")]
pub(super) fn demo_tools() -> String {
    crate::demo::TOOLS.join(", ")
}

#[cfg(not(feature = "demo"))]
pub(super) fn demo_tools() -> String {
    String::new()
}
