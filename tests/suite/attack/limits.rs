//! What one address, or one tunnel, may take up: over it, whoever comes next is told or waits, and gets in when somebody
//! has gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::any;
use gantz_agent::Agent;
use gantz_agent::agent::StartError;
use gantz_agent::tunnel::OpenError;
use gantz_shared::control::RefusalCode;
use gantz_shared::limits::OPEN_STREAM_DEADLINE;
use gantz_tests::{Origin, Raw, World, echo, relay, within};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::target::open;

/// Opens a tunnel beside that of `world`.
async fn another(world: &World) -> Result<Agent, StartError> {
    open(world.relay.ca_pem().unwrap(), world.relay.agent_addr().port(), world.server.address()).await
}

#[tokio::test]
async fn an_agent_over_the_limit_of_its_address_is_told_and_gets_in_when_one_has_gone() {
    let world = relay().server(echo()).relay_config(|config| config.limits.tunnels_per_source = 2).start().await;
    let second = another(&world).await.expect("there is room for two");
    let Err(StartError::Open(OpenError::Refused(refused))) = another(&world).await else {
        panic!("there is no room for three");
    };
    assert_eq!(refused.code, RefusalCode::RelayFull);
    assert_eq!(refused.message, "this address has as many tunnels as one may have");
    assert!(refused.retry_after.is_some());

    second.shutdown().await;
    let in_the_end = async {
        loop {
            match another(&world).await {
                Ok(third) => return third,
                // The relay hears of the goodbye when it does.
                Err(StartError::Open(OpenError::Refused(_))) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(other) => panic!("{other}"),
            }
        }
    };
    within("a place for the third", in_the_end).await;
}

#[tokio::test]
async fn a_request_over_the_limit_waits_and_is_then_told() {
    const REQUESTS: usize = 4;
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let server = Origin::axum(Router::new().fallback(any(async move || {
        held.acquire().await.unwrap().forget();
        "done"
    })));
    let world = relay().server(server).relay_config(|config| config.limits.requests = REQUESTS).start().await;
    let client = world.client();
    let call = || client.get(&world.url).bearer_auth(&world.token).send();
    let mut in_flight = JoinSet::new();
    for _ in 0..REQUESTS {
        in_flight.spawn(call());
    }
    let come = async {
        while world.server.requests().len() < REQUESTS {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("as many requests as may be in flight", come).await;

    let started = Instant::now();
    let refused = within("an answer", call()).await.unwrap();
    assert!(started.elapsed() >= OPEN_STREAM_DEADLINE, "{:?}", started.elapsed());
    assert_eq!((refused.status().as_u16(), &refused.headers()["gantz-error"]), (503, &"tunnel_busy".parse().unwrap()));
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(world.server.requests().len(), REQUESTS, "the local server never heard of it");

    // One that ends makes room for one that waits.
    in_flight.spawn(call());
    gate.add_permits(REQUESTS + 1);
    while let Some(answer) = within("all answers", in_flight.join_next()).await {
        assert_eq!(answer.unwrap().unwrap().status(), 200);
    }
}

/// `GET /healthz` of the relay's own name.
const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: relay.test\r\n\r\n";

#[tokio::test]
async fn a_connection_over_the_limit_of_its_address_is_closed_before_its_first_byte() {
    let config = |config: &mut gantz_relay::Config| config.limits.connections_per_source = 3;
    let relay = relay().plain().relay_config(config).start_relay();
    let mut inside = Vec::new();
    for _ in 0..3 {
        let mut caller = Raw::plain(relay.edge_addr()).await;
        caller.send(HEALTH).await;
        caller.until("\r\n\r\nok").await;
        inside.push(caller);
    }
    assert_eq!(Raw::plain(relay.edge_addr()).await.to_end().await, (true, Vec::new()));

    // Those who are inside go on.
    inside[0].send(HEALTH).await;
    inside[0].until("\r\n\r\nok").await;
    inside.pop();
    let let_in = async {
        loop {
            // The relay sees the end of the other when it does; until then it closes.
            let mut next = tokio::net::TcpStream::connect(relay.edge_addr()).await.unwrap();
            if is_served(&mut next).await {
                return;
            }
        }
    };
    within("a place for another", let_in).await;
}

/// Whether the relay answers.
async fn is_served(stream: &mut tokio::net::TcpStream) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    stream.write_all(HEALTH.as_bytes()).await.is_ok() && stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0)
}

#[tokio::test]
async fn a_trusted_proxy_brings_as_many_connections_as_it_likes() {
    let config = |config: &mut gantz_relay::Config| {
        config.limits.connections_per_source = 3;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    };
    let relay = relay().plain().relay_config(config).start_relay();
    let mut inside = Vec::new();
    for _ in 0..12 {
        let mut caller = Raw::plain(relay.edge_addr()).await;
        caller.send(HEALTH).await;
        caller.until("\r\n\r\nok").await;
        inside.push(caller);
    }
}
