//! `gantz-relay health`, which the image's health check runs.

use std::net::TcpListener;

use crate::{Relay, gantz_relay};

#[tokio::test]
async fn a_relay_that_serves_is_ready() {
    let relay = Relay::start().await;
    let admin = relay.admin("");
    let address = admin.strip_prefix("http://").unwrap();
    let ended = gantz_relay(&format!("health --admin-listen {address}")).end().await;
    assert_eq!((ended.code(), &*ended.stdout), (Some(0), "ready\n"), "{ended}");
    let port = address.rsplit_once(':').unwrap().1;
    // As a container has it, where the listener is on every address of its own.
    let ended = gantz_relay("health").env("GANTZ_RELAY_ADMIN_LISTEN", &format!("0.0.0.0:{port}")).end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
}

#[tokio::test]
async fn a_relay_without_a_certificate_is_not_and_says_why() {
    let port = gantz_tests::lasting_port();
    let dns = gantz_tests::lasting_port();
    // Nobody issues one: nothing listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut running = gantz_relay(&format!(
        "serve --domain relay.test --access open --state-dir state --listen 127.0.0.1:0 --admin-listen 127.0.0.1:{port} \
         --acme-dns-listen 127.0.0.1:{dns} --acme-directory https://{nobody}/dir"
    ))
    .start();
    running.stderr.line("relay serves").await;
    let ended = gantz_relay(&format!("health --admin-listen 127.0.0.1:{port}")).end().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(
        ended.stderr.starts_with("error: the relay is not ready") && ended.stderr.contains("certificate: "),
        "{ended}"
    );
}

#[tokio::test]
async fn nobody_and_somebody_else_are_no_relay() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = gantz_relay(&format!("health --admin-listen {nobody}")).end().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(ended.stderr.contains(&format!("no relay answers on {nobody}")), "{ended}");
    let server = gantz_tests::echo();
    let ended = gantz_relay(&format!("health --admin-listen {}", server.address())).end().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(ended.stderr.contains("is no relay"), "{ended}");
}
