//! The relay is told to stop: nobody new is taken, the agents hear of it, and what is open may finish.

use std::time::Duration;

use futures_util::StreamExt;
use gantz_relay::Relay;
use gantz_shared::control::FromRelay;
use gantz_shared::reset::CloseCode;
use gantz_tests::{client, relay, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::raw_agent::{RawAgent, Request, closed, data, head, hello, open};

/// Tells the relay to stop; returns when it takes nobody new any more.
async fn stopping(relay: Relay) -> JoinHandle<bool> {
    let address = relay.edge_addr();
    let shutdown = tokio::spawn(relay.shutdown());
    within("the end of listening", async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    shutdown
}

/// An event stream that is open, from both ends.
async fn stream(relay: &Relay, agent: &RawAgent, http1: bool) -> (reqwest::Response, Request) {
    let caller = client::reqwest(relay, &agent.host(), http1);
    let (answer, request) = tokio::join!(caller.get(&agent.welcome.url).send(), async {
        let mut request = agent.request().await;
        request.say(head(200, &[("content-type", "text/event-stream")])).await;
        request.say(data("data: 1\n\n")).await;
        request
    });
    let mut answer = answer.unwrap();
    assert_eq!(within("a piece", answer.chunk()).await.unwrap().unwrap(), "data: 1\n\n");
    (answer, request)
}

#[tokio::test]
async fn open_streams_finish_and_then_the_relay_ends() {
    for http1 in [true, false] {
        let relay = relay().start_relay();
        let mut agent = open(&relay, hello()).await.unwrap();
        let (answer, mut request) = stream(&relay, &agent, http1).await;
        let shutdown = stopping(relay).await;
        match within("the news", agent.receiver.receive()).await.unwrap() {
            Some(FromRelay::Draining { deadline_secs }) => assert_eq!(deadline_secs, 30),
            other => panic!("{other:?}"),
        }
        assert!(!shutdown.is_finished());
        request.say(data("data: 2\n\n")).await;
        let mut body = answer.bytes_stream();
        assert_eq!(within("a piece", body.next()).await.unwrap().unwrap(), "data: 2\n\n");
        request.say(&[3, 0][..]).await;
        request.send.finish().unwrap();
        while let Some(piece) = within("the end", body.next()).await {
            assert_eq!(piece.unwrap(), "");
        }
        assert!(within("the relay's end", shutdown).await.unwrap(), "everything had finished");
        assert_eq!(closed(&agent.connection).await.0, Some(CloseCode::ShuttingDown));
    }
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_reset() {
    for http1 in [true, false] {
        let relay = relay().relay_config(|config| config.drain = Duration::from_millis(300)).start_relay();
        let agent = open(&relay, hello()).await.unwrap();
        let (answer, _request) = stream(&relay, &agent, http1).await;
        let shutdown = stopping(relay).await;
        assert!(within("the reset", answer.bytes()).await.is_err());
        assert!(!within("the relay's end", shutdown).await.unwrap(), "something was cut");
    }
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_relay_up() {
    let relay = relay().start_relay();
    let agent = open(&relay, hello()).await.unwrap();
    let mut idle = Vec::new();
    for http1 in [true, false] {
        let caller = client::reqwest(&relay, &agent.host(), http1);
        let (answer, ()) =
            tokio::join!(caller.get(&agent.welcome.url).send(), async { agent.request().await.answer("ok").await });
        assert_eq!(answer.unwrap().text().await.unwrap(), "ok");
        idle.push(caller);
    }
    assert!(within("the relay's end", relay.shutdown()).await);
}

#[tokio::test]
async fn a_request_to_the_operators_listener_that_never_ends_does_not_hold_the_relay_up_for_ever() {
    let relay = relay().relay_config(|config| config.drain = Duration::from_millis(300)).start_relay();
    let mut half = TcpStream::connect(relay.admin_addr().unwrap()).await.unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /hea").await.unwrap();
    let mut buffer = [0; 512];
    assert!(within("the first answer", half.read(&mut buffer)).await.unwrap() > 0);
    within("the relay's end", relay.shutdown()).await;
}
