//! A port that is taken, each of those that there are.

use std::net::{TcpListener, UdpSocket};

use gantz_tests::{echo, lasting_port};

use crate::screens::assert_screen;
use crate::{gantz, gantz_relay};

const SERVE: &str = "serve --domain relay.test --tls off --access open --state-dir state";

#[tokio::test]
async fn the_relays_tcp_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let screen = gantz_relay(&format!("{SERVE} --listen {address}")).screen(1).await;
    assert_screen!("relay_tcp_taken", screen);
}

#[tokio::test]
async fn the_relays_udp_port() {
    // The same number has to be free for TCP.
    let taken = UdpSocket::bind(("127.0.0.1", lasting_port())).unwrap();
    let screen = gantz_relay(&format!("{SERVE} --listen {}", taken.local_addr().unwrap())).screen(1).await;
    assert_screen!("relay_udp_taken", screen);
}

#[tokio::test]
async fn the_relays_operator_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let screen = gantz_relay(&format!("{SERVE} --listen 127.0.0.1:0 --admin-listen {address}")).screen(1).await;
    assert_screen!("relay_admin_taken", screen);
}

#[tokio::test]
async fn the_port_that_the_embedded_relay_was_given() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let screen = gantz(&format!("run --auth --demo --local-listen {address}")).screen(1).await;
    assert_screen!("embedded_port_taken", screen);
}

#[tokio::test]
async fn the_other_address_of_localhost() {
    // Callers of `localhost` may be led there: what is taken there is taken.
    let Ok(taken) = TcpListener::bind(("::1", lasting_port())) else {
        // A machine without IPv6 has no other address; one is enough then.
        let mut running = gantz("run --auth --demo --local-listen 127.0.0.1:0").start();
        running.stdout.line("Tunnel URL:").await;
        return;
    };
    let port = taken.local_addr().unwrap().port();
    let ended = gantz(&format!("run --auth --demo --local-listen 127.0.0.1:{port}")).end().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(ended.stderr.contains(&format!("cannot listen on [::1]:{port}")), "{ended}");
}

#[tokio::test]
async fn the_embedded_relays_default_port_gives_way_to_another_with_a_line() {
    // Taken here, or by somebody else already: both is taken.
    let _taken = TcpListener::bind("127.0.0.1:8080");
    let server = echo();
    let mut running = gantz(&format!("run --auth {}", server.address())).start();
    let line = running.stderr.line("taking another port").await;
    assert!(line.starts_with("  127.0.0.1:8080 is not free"), "{line}");
    let url = running.stdout.line("Tunnel URL:").await;
    assert!(url.contains("http://localhost:") && !url.contains(":8080/"), "{url}");
}
