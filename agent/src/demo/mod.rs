//! The MCP server behind `gantz run --demo`: something to call when there is no server of one's own yet.
//!
//! ```text
//! POST GET DELETE /mcp        Streamable HTTP: sessions (2025-03-26 … 2025-11-25), and no sessions (2026-07-28)
//! GET  /sse                   HTTP+SSE (2024-11-05): the stream, whose first event names …
//! POST /messages?session_id=  … where its messages go
//! ```
//!
//! The tools and `/mcp` are the official SDK's, `rmcp`. That SDK has left the oldest shape behind, which hosted
//! clients still speak: `sse` brings it back. `server` owns the sockets.
//!
//! What always holds: it answers to local host names only, as every local MCP server should (DNS rebinding), so
//! a relay has to put the right `Host`; each limit is a constant below; nothing outlives [`serve`].

mod refusal;
mod server;
mod session;
mod sse;
#[cfg(test)]
mod tests;
mod tools;

use std::{sync::Arc, time::Duration};

use axum::Router;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use self::server::serve;
pub use self::tools::{Demo, MAX_COUNT, MAX_COUNTS_AT_ONCE, MAX_DELAY_MS, TOOLS};
use self::{refusal::Refusal, sse::Bridge};

/// Host names the demo answers to, on any port. The same as the official SDKs' defaults.
pub const ALLOWED_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The largest request body, in bytes: 4 MiB, which is what the official SDKs' servers take.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// Connections open at a time. One more waits in the listener's backlog.
pub const MAX_CONNECTIONS: usize = 512;

/// Handlers alive at a time: one a session, whichever its transport, and one a call outside a session. Clients
/// that never delete their sessions are normal; this and [`SESSION_IDLE`] bound what they cost.
pub const MAX_HANDLERS: u32 = 1024;

/// HTTP+SSE sessions at a time; one more `GET /sse` gets a 503.
pub const MAX_SSE_SESSIONS: usize = 64;

/// Messages waiting in each direction of an HTTP+SSE session. While either queue is full, a `POST` gets a 503.
pub const MAX_QUEUED_MESSAGES: usize = 32;

/// How long a Streamable HTTP session may be silent before it ends, and its client meets the 404 that makes it
/// start over.
pub const SESSION_IDLE: Duration = Duration::from_secs(15 * 60);

/// A silent event stream gets a comment line this often, so that nothing on its way takes it for dead.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Everything the demo answers. `shutdown` ends the open streams and the sessions.
fn router(handlers: &Arc<Semaphore>, shutdown: &CancellationToken) -> Router {
    let streamable = streamable_http(Arc::clone(handlers), shutdown.clone());
    Router::new()
        .route_service("/mcp", streamable.clone())
        .route_service("/mcp/", streamable)
        .merge(Bridge::new(Arc::clone(handlers), shutdown.clone()).router())
        .fallback(async || Refusal::NoSuchPath)
}

fn streamable_http(
    handlers: Arc<Semaphore>,
    shutdown: CancellationToken,
) -> StreamableHttpService<Demo, LocalSessionManager> {
    let mut sessions = LocalSessionManager::default();
    sessions.session_config.keep_alive = Some(SESSION_IDLE);
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(ALLOWED_HOSTS)
        .with_max_request_body_bytes(MAX_BODY_BYTES)
        .with_sse_keep_alive(Some(KEEP_ALIVE))
        // Outside a session, an answer that needs no stream is one plain JSON object: readable from curl.
        .with_json_response(true)
        .with_cancellation_token(shutdown);
    StreamableHttpService::new(move || Demo::new(&handlers), Arc::new(sessions), config)
}
