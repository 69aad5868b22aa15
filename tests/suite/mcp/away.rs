//! An agent that is away for a moment: its callers are held, and go through when it is back.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::{StreamExt, stream};
use gantz_agent::config::Transports;
use gantz_agent::tunnel::Transport;
use gantz_agent::{Agent, RelayAddress};
use gantz_relay::Relay;
use gantz_shared::control::Secret;
use gantz_tests::link::fair;
use gantz_tests::world::{policy, trust};
use gantz_tests::{Origin, World, canary, client, echo, relay, within};

use super::status::assert_failure;

/// What is left when an agent has gone without a goodbye.
struct LeftAlone {
    relay: Relay,
    _server: Origin,
    url: String,
    host: String,
    token: String,
    /// Brings the agent's name back.
    ticket: Secret,
    config: gantz_agent::Config,
}

impl LeftAlone {
    async fn start(hold: Duration) -> Self {
        let world = relay().server(echo()).relay_config(|config| config.hold = hold).start().await;
        let World { relay, agent, server, url, host, token, .. } = world;
        let ticket = agent.welcome().resume.clone();
        drop(agent);
        let address = RelayAddress { host: "127.0.0.1".into(), port: relay.agent_addr().port() };
        let target = format!("http://{}", server.address()).parse().unwrap();
        let mut config = gantz_agent::Config::new(address, trust(&relay), target);
        // The ticket is bound to it.
        config.access_key = Some(canary::access_key());
        config.policy = policy(&canary::token());
        Self { relay, _server: server, url, host, token, ticket, config }
    }

    fn call(&self) -> reqwest::RequestBuilder {
        client::reqwest(&self.relay, &self.host, false).post(&self.url).bearer_auth(&self.token)
    }
}

#[tokio::test]
async fn callers_are_held_and_then_told_that_the_agent_is_offline() {
    let hold = Duration::from_millis(300);
    let world = LeftAlone::start(hold).await;
    let started = Instant::now();
    let answer = within("an answer", world.call().send()).await.unwrap();
    assert_failure(answer, 503, "agent_offline").await;
    assert!(started.elapsed() >= hold);
}

#[tokio::test]
async fn an_agent_that_comes_back_within_the_hold_answers() {
    let world = LeftAlone::start(Duration::from_secs(20)).await;
    let held = tokio::spawn(world.call().body("patience").send());
    let config = gantz_agent::Config { resume: Some(world.ticket.clone()), ..world.config.clone() };
    let agent = within("the tunnel", Agent::start(config, Arc::new(|_| {}))).await.unwrap();
    assert_eq!(agent.welcome().url, world.url);
    let answer = within("the held call", held).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "patience");
    within("goodbye", agent.shutdown()).await;
}

/// A server with a `/stream` that does not end, and answers to everything else.
fn streaming() -> Origin {
    let stream = get(async || {
        let first = stream::once(ready(Ok::<_, Infallible>("data: 1\n\n")));
        ([("content-type", "text/event-stream")], Body::from_stream(first.chain(stream::pending())))
    });
    Origin::axum(Router::new().route("/stream", stream).fallback(async || "fine"))
}

/// What is open may finish; what is new is told at once that nobody is here, as it can be sent again elsewhere.
async fn turns_new_calls_away(transports: Transports, by: Transport) {
    // Over the link the relay's TCP and UDP are on one port.
    let world = relay().server(streaming()).link(fair());
    let world = world.agent_config(move |config| config.transports = transports).start().await;
    assert_eq!(world.agent.carried().borrow().by, by);
    let mut open = world.get("/stream").bearer_auth(&world.token).send().await.unwrap();
    assert_eq!(within("an event", open.chunk()).await.unwrap().unwrap(), "data: 1\n\n");
    let (caller, url) = (world.client(), world.url.clone());
    let World { relay: _relay, agent, token, server: _server, link: _link, .. } = world;
    let leaving = tokio::spawn(agent.shutdown());
    let answer = within("another answer than the server's", async {
        loop {
            let answer = caller.post(&url).bearer_auth(&token).send().await.unwrap();
            if answer.status() != 200 {
                return answer;
            }
        }
    });
    assert_failure(answer.await, 503, "agent_offline").await;
    assert!(!leaving.is_finished(), "the stream may go on");
    drop(open);
    within("goodbye", leaving).await.unwrap();
}

#[tokio::test]
async fn an_agent_that_leaves_over_quic_turns_new_calls_away() {
    turns_new_calls_away(Transports::Quic, Transport::Quic).await;
}

#[tokio::test]
async fn an_agent_that_leaves_over_tcp_turns_new_calls_away() {
    turns_new_calls_away(Transports::Tcp, Transport::Tcp).await;
}

#[tokio::test]
async fn a_tunnel_that_was_closed_on_purpose_is_not_waited_for() {
    let world = relay().server(echo()).start().await;
    let World { relay, agent, url, host, .. } = world;
    within("goodbye", agent.shutdown()).await;
    let caller = client::reqwest(&relay, &host, false);
    // The goodbye is on its way to the relay; once it is there, nobody waits for the agent.
    let answer = within("404", async {
        loop {
            let answer = caller.get(&url).send().await.unwrap();
            if answer.status() == 404 {
                return answer;
            }
        }
    })
    .await;
    assert_failure(answer, 404, "tunnel_not_found").await;
}
