//! The operator's listener: health. It is never on the public address.

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves until `stop`.
pub(crate) async fn serve(listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
    let router = Router::new().route("/healthz", get(async || "ok\n")).route("/health", get(async || "ok\n"));
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}
