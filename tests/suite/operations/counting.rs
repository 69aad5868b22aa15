//! What is counted, and when.

use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use futures_util::{SinkExt, StreamExt};
use gantz_agent::Agent;
use gantz_agent::config::Transports;
use gantz_tests::{Origin, World, canary, client, echo, relay, within};
use http::StatusCode;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{accept_async, client_async};

use crate::events::never_ending;
use crate::scrape::{scrape, until};

/// Answers in every class.
fn server() -> Origin {
    Origin::axum(
        Router::new()
            .route("/fine", get(async || "0123456789"))
            .route("/moved", get(async || (StatusCode::FOUND, [("location", "/fine")])))
            .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
            .route("/take", post(async |body: bytes::Bytes| body.len().to_string().into_response())),
    )
}

#[tokio::test]
async fn requests_are_counted_by_class_and_by_who_answered() {
    let world = relay().server(server()).start().await;
    let call = |path: &str| world.get(path).bearer_auth(&world.token);
    for path in ["/fine", "/moved", "/missing", "/broken"] {
        within(path, call(path).send()).await.unwrap().bytes().await.unwrap();
    }
    let http1 = world.http1();
    let taken = http1.post(format!("{}/take", world.url)).bearer_auth(&world.token).body(vec![b'x'; 100_000]);
    assert_eq!(within("a body", taken.send()).await.unwrap().text().await.unwrap(), "100000");
    let calls = [(None, 401), (Some(canary::OTHER_TOKEN), 401)];
    for (token, status) in calls {
        let call = http1.get(format!("{}/fine", world.url));
        let call = token.into_iter().fold(call, |call, token| call.bearer_auth(token));
        assert_eq!(within("an answer", call.send()).await.unwrap().status(), status);
    }

    let told = until(&world.relay, "gantz_requests_in_flight", 0.0).await;
    for (class, upstream, edge) in [("1xx", 0, 0), ("2xx", 2, 0), ("3xx", 1, 0), ("4xx", 1, 2), ("5xx", 1, 0)] {
        for (origin, count) in [("upstream", upstream), ("edge", edge)] {
            let series = format!("gantz_requests_total{{class=\"{class}\",origin=\"{origin}\"}}");
            assert_eq!(told.get(&series), f64::from(count), "{series}");
        }
    }
    for (series, value) in [
        ("gantz_answers_total{code=\"missing_token\"}", 1),
        ("gantz_answers_total{code=\"invalid_token\"}", 1),
        ("gantz_answers_total{code=\"tunnel_not_found\"}", 0),
        ("gantz_auth_failures_total{reason=\"missing\"}", 1),
        ("gantz_auth_failures_total{reason=\"wrong\"}", 1),
        ("gantz_auth_failures_total{reason=\"expired\"}", 0),
        ("gantz_body_bytes_total{direction=\"in\"}", 100_000),
        ("gantz_body_bytes_total{direction=\"out\"}", 16),
        ("gantz_head_duration_seconds_count", 7),
        ("gantz_request_duration_seconds_count", 7),
        ("gantz_request_duration_seconds_bucket{le=\"+Inf\"}", 7),
        ("gantz_tunnels{transport=\"quic\"}", 1),
        ("gantz_tunnels{transport=\"tcp\"}", 0),
        ("gantz_tunnels_opened_total", 1),
    ] {
        assert_eq!(told.get(series), f64::from(value), "{series}\n{}", told.text);
    }
    assert!(told.get("gantz_connections_opened_total{protocol=\"http1\"}") >= 1.0);
    assert!(told.get("gantz_connections_opened_total{protocol=\"http2\"}") >= 1.0);
    let round_trip = told.get("gantz_quic_rtt_seconds{quantile=\"0.5\"}");
    assert!((0.0..10.0).contains(&round_trip) && round_trip > 0.0, "{round_trip}");
    for secret in [&world.token, &world.host, "/fine", "/take"] {
        assert!(!told.text.contains(secret), "{secret} is in a label");
    }
    within("goodbye", world.agent.shutdown()).await;
}

#[tokio::test]
async fn a_stream_is_in_flight_until_it_is_over() {
    for http1 in [true, false] {
        let world = relay().server(never_ending()).start().await;
        let caller = client::reqwest(&world.relay, &world.host, http1);
        let call = caller.get(format!("{}/events", world.url)).bearer_auth(&world.token);
        let mut answer = within("the head", call.send()).await.unwrap();
        within("a piece", answer.chunk()).await.unwrap().unwrap();
        let told = scrape(&world.relay).await;
        assert_eq!(told.get("gantz_requests_in_flight"), 1.0);
        assert_eq!(told.get("gantz_head_duration_seconds_count"), 1.0);
        assert_eq!(told.get("gantz_request_duration_seconds_count"), 0.0);
        let protocol = if http1 { "http1" } else { "http2" };
        assert_eq!(told.get(&format!("gantz_connections{{protocol=\"{protocol}\"}}")), 1.0);
        drop((answer, caller));
        let told = until(&world.relay, "gantz_requests_in_flight", 0.0).await;
        assert_eq!(told.get("gantz_request_duration_seconds_count"), 1.0);
        until(&world.relay, &format!("gantz_connections{{protocol=\"{protocol}\"}}"), 0.0).await;
    }
}

#[tokio::test]
async fn what_goes_over_a_websocket_is_counted() {
    let server = Origin::raw(|stream| async move {
        let Ok(mut socket) = accept_async(stream).await else { return };
        while let Some(Ok(message)) = socket.next().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    });
    let world = relay().server(server).start().await;
    let tcp = TcpStream::connect(world.relay.edge_addr()).await.unwrap();
    let tls = TlsConnector::from(Arc::new(client::tls(&world.relay, &[b"http/1.1"])));
    let io = tls.connect(ServerName::try_from(world.host.clone()).unwrap(), tcp).await.unwrap();
    let mut request = format!("{}/ws", world.url.replacen("http", "ws", 1)).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {}", world.token).parse().unwrap());
    let (mut socket, _) = Box::pin(within("the upgrade", client_async(request, io))).await.unwrap();
    let message = Message::text("x".repeat(1000));
    socket.send(message.clone()).await.unwrap();
    assert_eq!(within("an echo", socket.next()).await.unwrap().unwrap(), message);
    let told = until(&world.relay, "gantz_requests_in_flight", 1.0).await;
    assert_eq!(told.get("gantz_requests_total{class=\"1xx\",origin=\"upstream\"}"), 1.0);
    for direction in ["in", "out"] {
        assert!(told.get(&format!("gantz_body_bytes_total{{direction=\"{direction}\"}}")) >= 1000.0, "{direction}");
    }
    drop(socket);
    until(&world.relay, "gantz_requests_in_flight", 0.0).await;
}

#[tokio::test]
async fn who_waits_for_an_agent_is_held_and_the_wait_is_not_the_servers() {
    let hold = std::time::Duration::from_secs(2);
    let world = relay().server(echo()).relay_config(|config| config.hold = hold).start().await;
    let World { relay, agent, url, host, token, .. } = world;
    drop(agent);
    let told = until(&relay, "gantz_tunnels{transport=\"quic\"}", 0.0).await;
    assert_eq!(told.get("gantz_tunnels_closed_total{reason=\"goodbye\"}"), 0.0);
    let call = client::reqwest(&relay, &host, false).get(&url).bearer_auth(&token).send();
    let call = tokio::spawn(call);
    until(&relay, "gantz_requests_held", 1.0).await;
    assert_eq!(within("an answer", call).await.unwrap().unwrap().status(), 503);
    let told = until(&relay, "gantz_requests_in_flight", 0.0).await;
    assert_eq!(told.get("gantz_requests_held"), 0.0);
    assert_eq!(told.get("gantz_answers_total{code=\"agent_offline\"}"), 1.0);
    assert_eq!(told.get("gantz_head_duration_seconds_bucket{le=\"1.0\"}"), 1.0);
}

#[tokio::test]
async fn quics_counters_outlive_their_tunnels() {
    let world = relay().server(echo()).start().await;
    let before = scrape(&world.relay).await;
    let counters = [
        "gantz_quic_packets_sent_total",
        "gantz_quic_packets_lost_total",
        "gantz_quic_congestion_events_total",
        "gantz_quic_bytes_total{direction=\"in\"}",
        "gantz_quic_bytes_total{direction=\"out\"}",
    ];
    assert!(before.get(counters[0]) > 0.0 && before.get(counters[3]) > 0.0 && before.get(counters[4]) > 0.0);
    within("goodbye", world.agent.shutdown()).await;
    let after = until(&world.relay, "gantz_tunnels_closed_total{reason=\"goodbye\"}", 1.0).await;
    for counter in counters {
        assert!(after.get(counter) >= before.get(counter), "{counter}");
    }
    assert!(!after.text.contains("gantz_quic_rtt_seconds{"), "there is nobody to measure it with");
}

#[tokio::test]
async fn tunnels_over_tcp_are_told_apart() {
    let world = relay().server(echo()).start().await;
    let mut config = gantz_agent::Config::new(
        // Over TCP an agent comes where the public does.
        gantz_agent::RelayAddress { host: "127.0.0.1".into(), port: world.relay.edge_addr().port() },
        gantz_tests::world::trust(&world.relay),
        format!("http://{}", world.server.address()).parse().unwrap(),
    );
    config.policy = gantz_tests::world::policy(&canary::other_token());
    config.transports = Transports::Tcp;
    let agent = within("a tunnel", Agent::start(config, Arc::new(|_| {}))).await.unwrap();
    let told = scrape(&world.relay).await;
    assert_eq!(told.get("gantz_tunnels{transport=\"tcp\"}"), 1.0);
    assert_eq!(told.get("gantz_tunnels{transport=\"quic\"}"), 1.0);
    within("goodbye", agent.shutdown()).await;
    until(&world.relay, "gantz_tunnels{transport=\"tcp\"}", 0.0).await;
}

#[tokio::test]
async fn who_is_turned_away_is_counted_by_why() {
    let world = relay().server(echo()).relay_config(|config| config.limits.connections_per_source = 0).start().await;
    let refused = world.get("/").send().await;
    assert!(refused.is_err());
    let told = scrape(&world.relay).await;
    assert!(told.get("gantz_connections_refused_total{reason=\"per_source\"}") >= 1.0);

    let relay = relay().start_relay();
    let mut tcp = TcpStream::connect(relay.edge_addr()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut tcp, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    until(&relay, "gantz_connections_refused_total{reason=\"handshake_failed\"}", 1.0).await;
}
