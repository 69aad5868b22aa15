//! The operator's listener: health, and access keys over HTTP. It is never on the public address.

mod answer;
mod api;
mod token;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) use api::Api;

/// Serves until `stop`; without an `api`, health only.
pub(crate) async fn serve(listener: TcpListener, api: Option<Api>, stop: CancellationToken) -> std::io::Result<()> {
    let mut router = Router::new().route("/healthz", get(async || "ok\n")).route("/health", get(async || "ok\n"));
    if let Some(api) = api {
        router = router.nest("/v1", api.router());
    }
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}
