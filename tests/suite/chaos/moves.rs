//! The agent's address changes, and nothing that is open notices (RFC 9000 §9).

use std::time::Duration;

use axum::Router;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures_util::StreamExt;
use gantz_tests::link::fair;
use gantz_tests::{Origin, relay, within};

const EVENTS: usize = 60;

/// As many as there are, one every 20 ms, in order.
fn numbered() -> Origin {
    let events = || async {
        let numbers = futures_util::stream::iter(0..EVENTS).then(|number| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, std::convert::Infallible>(Event::default().data(number.to_string()))
        });
        Sse::new(numbers)
    };
    Origin::axum(Router::new().route("/events", get(events)).fallback(async || "quick"))
}

#[tokio::test]
async fn an_open_stream_survives_a_nat_that_forgets() {
    let world = relay().server(numbered()).link(fair()).start().await;
    let answer = world.get("/events").bearer_auth(&world.token).send().await.unwrap();
    let mut pieces = answer.bytes_stream();
    let mut text = String::new();
    let mut moves = 0;
    while let Some(piece) = within("more events", pieces.next()).await {
        text.push_str(std::str::from_utf8(&piece.expect("the stream goes on")).unwrap());
        // Three times along the way.
        if text.matches("data:").count() > (moves + 1) * EVENTS / 4 {
            moves += 1;
            world.link.as_ref().unwrap().rebind();
            let quick = within("a new call", world.get("/").bearer_auth(&world.token).send()).await.unwrap();
            assert_eq!(quick.text().await.unwrap(), "quick");
        }
    }
    let got: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let all: Vec<String> = (0..EVENTS).map(|number| number.to_string()).collect();
    assert_eq!(got, all, "none lost, doubled or out of order");
    assert_eq!(moves, 3);
}
