//! A server whose answer does not end by itself.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::StreamExt;
use gantz_tests::Origin;

/// At `/events`: one event, and then silence.
pub(crate) fn never_ending() -> Origin {
    let events = async || {
        let pieces = futures_util::stream::iter(["data: 1\n\n"]).chain(futures_util::stream::pending());
        ([("content-type", "text/event-stream")], Body::from_stream(pieces.map(Ok::<_, std::io::Error>)))
    };
    Origin::axum(Router::new().route("/events", get(events)))
}
