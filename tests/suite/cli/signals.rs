//! Ctrl-C and SIGTERM: goodbye, what is in flight may finish, and a second one ends it at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::any;
use gantz_tests::{Origin, echo, within};
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;

use crate::screens::assert_screen;
use crate::{RelayProcess, gantz};

/// A server whose answer to `/slow` waits until it is let go.
struct Slow {
    origin: Origin,
    arrived: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

fn slow() -> Slow {
    let (arrived, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell, wait) = (arrived.clone(), go.clone());
    let handler = any(move || {
        let (tell, wait) = (tell.clone(), wait.clone());
        async move {
            tell.add_permits(1);
            wait.acquire().await.unwrap().forget();
            "finished"
        }
    });
    let origin = Origin::axum(Router::new().route("/slow", handler).fallback(async || "quick"));
    Slow { origin, arrived, go }
}

#[tokio::test]
async fn either_signal_says_goodbye_and_lets_a_call_in_flight_finish() {
    for signal in ["INT", "TERM"] {
        let (relay, server) = (RelayProcess::start().await, slow());
        let mut running = relay.run(&format!("{} --auth=none --name=tools", server.origin.address())).start();
        running.stdout.line("Tunnel URL:").await;
        let call = tokio::spawn(relay.get("tools", "/slow").send());
        within("the call", server.arrived.acquire()).await.unwrap().forget();
        running.signal(signal).await;
        running.stderr.line("closing the tunnel").await;
        server.go.add_permits(1);
        let answer = within("the answer", call).await.unwrap().unwrap();
        assert_eq!(answer.text().await.unwrap(), "finished");
        let ended = running.end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert_eq!(
            relay.get("tools", "/slow").send().await.unwrap().status(),
            404,
            "after a goodbye nobody is waited for"
        );
        assert_screen!("goodbye", ended.stderr);
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for signal in ["INT", "TERM"] {
        let (relay, server) = (RelayProcess::start().await, slow());
        let mut running = relay.run(&format!("{} --auth=none --name=tools", server.origin.address())).start();
        running.stdout.line("Tunnel URL:").await;
        let call = tokio::spawn(relay.get("tools", "/slow").send());
        within("the call", server.arrived.acquire()).await.unwrap().forget();
        running.signal(signal).await;
        running.stderr.line("closing the tunnel").await;
        running.signal(signal).await;
        let ended = running.end().await;
        assert_eq!(ended.code(), Some(130), "{ended}");
        assert!(!ended.stderr.contains("Goodbye"), "{ended}");
        // The relay has heard of it: the caller is not left waiting, and the name is free.
        let left = Instant::now();
        let answer = within("an answer", call).await.unwrap().unwrap();
        assert_eq!(answer.headers()["gantz-error"], "tunnel_lost");
        assert!(left.elapsed() < Duration::from_secs(10), "{:?}", left.elapsed());
        let mut again = relay.run(&format!("{} --auth=none --name=tools", server.origin.address())).start();
        again.stdout.line("Tunnel URL:").await;
    }
}

#[tokio::test]
async fn a_run_that_is_still_connecting_ends_too() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let relay = RelayProcess::start().await;
    let mut running = gantz(&format!("run --auth 8090 --relay {}", silent.local_addr().unwrap()))
        .arg(format!("--relay-ca={}", relay.ca().display()))
        .start();
    running.stderr.line("connecting to").await;
    let mut packet = [0; 2048];
    within("the agent's first packet", silent.recv(&mut packet)).await.unwrap();
    running.signal("INT").await;
    let ended = running.end().await;
    assert_eq!((ended.code(), &*ended.stdout), (Some(0), ""), "{ended}");
}

#[tokio::test]
async fn the_relay_stops_by_either_signal_and_says_what_it_does() {
    for signal in ["INT", "TERM"] {
        let relay = RelayProcess::start().await;
        relay.running.signal(signal).await;
        let ended = relay.running.end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        let screen = ended.stderr.replace(&format!("SIG{signal}"), "[SIGNAL]");
        assert_screen!("relay_screen", screen);
    }
}

#[tokio::test]
async fn a_relay_with_a_call_in_flight_ends_at_once_by_a_second_signal() {
    let (relay, server) = (RelayProcess::start().await, slow());
    let mut running = relay.run(&format!("{} --auth=none --name=tools", server.origin.address())).start();
    running.stdout.line("Tunnel URL:").await;
    let call = tokio::spawn(relay.get("tools", "/slow").send());
    within("the call", server.arrived.acquire()).await.unwrap().forget();
    let RelayProcess { running: mut relay, .. } = relay;
    relay.signal("TERM").await;
    relay.stderr.line("stopping").await;
    relay.signal("TERM").await;
    let ended = relay.end().await;
    assert_eq!(ended.code(), Some(130), "{ended}");
    call.abort();
}

#[tokio::test]
async fn without_a_call_goodbye_does_not_wait() {
    let (relay, server) = (RelayProcess::start().await, echo());
    let mut running = relay.run(&format!("{} --auth=none --name=tools --json", server.address())).start();
    running.stdout.line("ready").await;
    running.signal("INT").await;
    running.stdout.line(r#"{"event":"stopped"}"#).await;
    assert_eq!(running.end().await.code(), Some(0));
}
