//! `GET /metrics`, for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

use crate::metrics::Form;

/// What there is to tell.
pub(crate) struct Scrapes {
    registry: Registry,
    /// One at a time: ten thousand tunnels are asked each, and whoever asks may not take more of the machine than that.
    turn: Semaphore,
}

impl Scrapes {
    pub(crate) fn new(registry: Registry) -> Self {
        Self { registry, turn: Semaphore::new(1) }
    }
}

/// Off the threads that serve callers: they go on meanwhile.
pub(super) async fn metrics(State(scrapes): State<Arc<Scrapes>>, fields: HeaderMap) -> Response {
    let form = Form::asked(fields.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()));
    let Ok(_turn) = scrapes.turn.acquire().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let writing = tokio::task::spawn_blocking({
        let scrapes = scrapes.clone();
        move || form.write(&scrapes.registry)
    });
    match writing.await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, form.media_type())], text).into_response(),
        failed => {
            tracing::error!(?failed, "metrics cannot be told");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
