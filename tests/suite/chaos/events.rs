//! A stream of numbered events, and the check that each came once and in order.

use std::time::Duration;

use axum::Router;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures_util::{Stream, StreamExt};
use gantz_tests::{Origin, World, within};

/// How many there are.
pub(crate) const EVENTS: usize = 60;

/// One every 20 ms, under `/events`; `quick` everywhere else.
pub(crate) fn numbered() -> Origin {
    let events = || async {
        let numbers = futures_util::stream::iter(0..EVENTS).then(|number| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, std::convert::Infallible>(Event::default().data(number.to_string()))
        });
        Sse::new(numbers)
    };
    Origin::axum(Router::new().route("/events", get(events)).fallback(async || "quick"))
}

/// What has come of the events.
pub(crate) struct Events<S> {
    pieces: S,
    text: String,
}

/// Asks for them.
pub(crate) async fn events(world: &World) -> Events<impl Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin> {
    let answer = world.get("/events").bearer_auth(&world.token).send().await.unwrap();
    Events { pieces: Box::pin(answer.bytes_stream()), text: String::new() }
}

impl<S: Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin> Events<S> {
    /// Waits until so many have come.
    pub(crate) async fn until(&mut self, count: usize) {
        while self.text.matches("\n\n").count() < count {
            let piece = within("more events", self.pieces.next()).await.expect("there are more");
            self.text.push_str(std::str::from_utf8(&piece.expect("the stream goes on")).unwrap());
        }
    }

    /// Waits for the end: none was lost, doubled or out of order.
    pub(crate) async fn assert_all(mut self) {
        while let Some(piece) = within("the end", self.pieces.next()).await {
            self.text.push_str(std::str::from_utf8(&piece.expect("the stream goes on")).unwrap());
        }
        let got: Vec<&str> = self.text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let all: Vec<String> = (0..EVENTS).map(|number| number.to_string()).collect();
        assert_eq!(got, all);
    }
}

/// A call that is answered at once.
pub(crate) async fn assert_quick(world: &World) {
    let quick = within("an answer", world.get("/").bearer_auth(&world.token).send()).await.unwrap();
    assert_eq!(quick.text().await.unwrap(), "quick");
}
