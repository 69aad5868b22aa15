//! The local server: `/read/ID` and `/write/ID` say what was asked, `/events/COUNT` is a stream of so many events.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;

/// From one event of a stream to the next.
const EVERY: Duration = Duration::from_millis(100);

pub(crate) fn router() -> Router {
    Router::new()
        .route("/read/{id}", get(async |Path(id): Path<u64>| read(id)))
        .route("/write/{id}", post(async |Path(id): Path<u64>, body: Bytes| written(id, body.len())))
        .route(
            "/events/{count}",
            get(async |Path(count): Path<u64>| {
                ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events(count))).into_response()
            }),
        )
}

/// What a GET is answered.
pub(crate) fn read(id: u64) -> String {
    format!("read {id}")
}

/// What a POST of so many bytes is answered.
pub(crate) fn written(id: u64, bytes: usize) -> String {
    format!("wrote {id}: {bytes}")
}

/// What an event says.
pub(crate) fn event(number: u64) -> String {
    format!("data: {number}\n\n")
}

fn events(count: u64) -> impl futures_util::Stream<Item = Result<String, Infallible>> {
    futures_util::stream::iter(0..count).then(|number| async move {
        tokio::time::sleep(EVERY).await;
        Ok(event(number))
    })
}
