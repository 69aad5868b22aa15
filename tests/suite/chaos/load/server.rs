//! The local server under the load: events without end, calls that may be made twice, and calls that are counted.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::Stream;
use gantz_tests::Origin;
use http::header::CONTENT_TYPE;
use tokio::sync::watch;

/// From one event of a stream to the next.
const EVERY: Duration = Duration::from_millis(100);

/// What an event has besides its number: with the events of other streams, it fills packets.
const PADDING: usize = 300;

/// See the module's head.
#[derive(Default)]
pub(crate) struct Server {
    /// How often each counted call was carried out.
    executed: Mutex<HashMap<u64, u32>>,
    streams: AtomicU64,
    over: watch::Sender<bool>,
}

impl Server {
    /// In this process, on an address of this machine's own.
    pub(crate) fn origin(self: &Arc<Self>) -> Origin {
        Origin::axum(self.router())
    }

    /// What it answers.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        let (events, counted) = (self.clone(), self.clone());
        Router::new()
            .route(
                "/events",
                get(async move || ([(CONTENT_TYPE, "text/event-stream")], events.events()).into_response()),
            )
            .route("/read/{id}", get(async |Path(id): Path<u64>| format!("read {id}")))
            .route(
                "/write/{id}",
                post(async move |Path(id): Path<u64>, body: Bytes| {
                    *counted.executed.lock().unwrap().entry(id).or_default() += 1;
                    format!("wrote {id}: {}", body.len())
                }),
            )
    }

    /// Every stream, and each that is asked for later, says how many events it had, and ends.
    pub(crate) fn end(&self) {
        self.over.send_replace(true);
    }

    /// Whether it was told to.
    pub(crate) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// How often each counted call was carried out; those that never were are not in it.
    pub(crate) fn executed(&self) -> HashMap<u64, u32> {
        self.executed.lock().unwrap().clone()
    }

    /// `data: STREAM NUMBER …`, and at last `end: STREAM COUNT`.
    fn events(&self) -> Body {
        let stream = self.streams.fetch_add(1, Ordering::Relaxed);
        let ticks = tokio::time::interval(EVERY);
        Body::from_stream(numbered(stream, ticks, self.over.subscribe()))
    }
}

fn numbered(
    stream: u64,
    ticks: tokio::time::Interval,
    over: watch::Receiver<bool>,
) -> impl Stream<Item = Result<String, Infallible>> {
    futures_util::stream::unfold(Some((0_u64, ticks, over)), move |state| async move {
        let (number, mut ticks, mut over) = state?;
        let is_over = tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => true,
            _ = ticks.tick() => false,
        };
        if is_over {
            return Some((Ok(format!("event: end\ndata: {stream} {number}\n\n")), None));
        }
        let event = format!("data: {stream} {number} {}\n\n", "x".repeat(PADDING));
        Some((Ok(event), Some((number + 1, ticks, over))))
    })
}
