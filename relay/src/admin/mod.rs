//! The operator's listener: health, metrics, and access keys over HTTP. It is never on the public address.

mod answer;
mod api;
mod metrics;
mod ready;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) use api::Api;
pub(crate) use metrics::Scrapes;
pub(crate) use ready::Ready;

/// What is served.
pub(crate) struct Admin {
    /// None where there are no keys.
    pub(crate) api: Option<Api>,
    pub(crate) ready: Ready,
    pub(crate) scrapes: Scrapes,
}

/// Serves until `stop`.
pub(crate) async fn serve(listener: TcpListener, admin: Admin, stop: CancellationToken) -> std::io::Result<()> {
    let Admin { api, ready, scrapes } = admin;
    let mut router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/health", get(async || "ok\n"))
        .route("/readyz", get(ready::ready).with_state(Arc::new(ready)))
        .route("/metrics", get(metrics::metrics).with_state(Arc::new(scrapes)));
    if let Some(api) = api {
        router = router.nest("/v1", api.router());
    }
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}
