//! A tunnel takes so many requests at once and no more: the next one waits for a moment, and is then told.

use std::time::Instant;

use gantz_shared::limits::{MAX_REQUEST_STREAMS, OPEN_STREAM_DEADLINE};
use gantz_tests::{client, relay, within};
use tokio::task::JoinSet;

use super::raw_agent::{hello, open};

/// HTTP/2 connections that share the load: one carries 256 streams.
const CONNECTIONS: usize = 5;

#[tokio::test]
async fn the_request_after_the_last_one_waits_and_is_then_told_that_the_tunnel_is_busy() {
    let relay = relay().start_relay();
    let agent = open(&relay, hello()).await.unwrap();
    let callers: Vec<_> = (0..CONNECTIONS).map(|_| client::reqwest(&relay, &agent.host(), false)).collect();
    let call = |number: usize| callers[number % CONNECTIONS].get(&agent.welcome.url).send();
    let mut in_flight = JoinSet::new();
    let mut taken = Vec::new();
    for number in 0..MAX_REQUEST_STREAMS as usize {
        in_flight.spawn(call(number));
        taken.push(agent.request().await);
    }
    let started = Instant::now();
    let refused = within("an answer", call(0)).await.unwrap();
    assert!(started.elapsed() >= OPEN_STREAM_DEADLINE);
    assert_eq!((refused.status().as_u16(), refused.headers()["gantz-error"].to_str().unwrap()), (503, "tunnel_busy"));
    assert!(refused.headers().contains_key("retry-after"));

    // Those that end make room for one that waits. QUIC announces new room in steps of an eighth of the limit.
    let waiting = tokio::spawn(call(1));
    let rest = taken.split_off(MAX_REQUEST_STREAMS as usize / 4);
    for request in taken {
        request.answer("done").await;
    }
    agent.request().await.answer("waited").await;
    assert_eq!(within("the waiting call", waiting).await.unwrap().unwrap().text().await.unwrap(), "waited");
    for request in rest {
        request.answer("done").await;
    }
    while let Some(answer) = within("all answers", in_flight.join_next()).await {
        assert_eq!(answer.unwrap().unwrap().status(), 200);
    }
}
