//! One canonical name from SNI, `Host` and an absolute-form target, over real TLS and HTTP/1.1.

use std::sync::Arc;

use gantz_relay::Relay;
use gantz_tests::{DOMAIN, Raw, World, client, echo, relay};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What the relay answers to one head: status line, and the edge's own code, if it is the edge's own answer.
fn verdict(head: &str) -> String {
    let status = head.split(' ').nth(1).unwrap_or("none");
    let code = head.lines().find_map(|line| line.strip_prefix("gantz-error: "));
    code.map_or(status.to_owned(), |code| format!("{status} {code}"))
}

async fn ask(relay: &Relay, sni: &str, head: &str) -> String {
    let mut caller = Raw::connect(relay, sni).await;
    caller.send(format!("{head}\r\n\r\n")).await;
    verdict(&caller.until("\r\n\r\n").await)
}

#[tokio::test]
async fn the_names_of_a_request_have_to_agree() {
    let world = relay().open().server(echo()).start().await;
    let name = world.host.strip_suffix(&format!(".{DOMAIN}")).unwrap();
    let upper = world.host.to_ascii_uppercase();
    let port = world.relay.edge_addr().port();
    let (host, tunnel) = (world.host.as_str(), "200".to_owned());
    let own = |code: &str| code.to_owned();
    let lost = own("421 misdirected_request");
    let bad = own("400 bad_request");
    let rows: Vec<(&str, String, String)> = vec![
        (host, format!("GET / HTTP/1.1\r\nhost: {host}"), tunnel.clone()),
        (host, format!("GET / HTTP/1.1\r\nhost: {host}:{port}"), tunnel.clone()),
        (host, format!("GET / HTTP/1.1\r\nhost: {host}:1"), tunnel.clone()),
        (host, format!("GET / HTTP/1.1\r\nhost: {upper}"), tunnel.clone()),
        (host, format!("GET / HTTP/1.1\r\nhost: {host}."), tunnel.clone()),
        (host, format!("GET / HTTP/1.1\r\nHOST:   {upper}.:{port}  "), tunnel.clone()),
        (host, format!("GET https://{host}/mcp HTTP/1.1\r\nhost: {host}"), tunnel.clone()),
        (host, format!("GET https://{upper}.:{port}/mcp HTTP/1.1\r\nhost: {host}:{port}"), tunnel.clone()),
        (host, format!("GET https://{host}/mcp HTTP/1.1\r\nhost: other.{DOMAIN}"), lost.clone()),
        (host, format!("GET https://other.{DOMAIN}/mcp HTTP/1.1\r\nhost: {host}"), lost.clone()),
        (host, format!("GET https://{host}:1/mcp HTTP/1.1\r\nhost: {host}:2"), lost.clone()),
        (host, format!("GET / HTTP/1.1\r\nhost: other.{DOMAIN}"), lost.clone()),
        (host, format!("GET / HTTP/1.1\r\nhost: {DOMAIN}"), lost.clone()),
        (host, "GET / HTTP/1.1\r\nhost: localhost".into(), lost.clone()),
        (host, "GET / HTTP/1.1\r\nhost: evil.example".into(), lost.clone()),
        (DOMAIN, format!("GET / HTTP/1.1\r\nhost: {host}"), lost.clone()),
        (DOMAIN, format!("GET /healthz HTTP/1.1\r\nhost: {DOMAIN}"), tunnel.clone()),
        ("localhost", format!("GET / HTTP/1.1\r\nhost: {host}"), lost.clone()),
        ("localhost", "GET / HTTP/1.1\r\nhost: localhost".into(), lost.clone()),
        ("other.relay.test", "GET / HTTP/1.1\r\nhost: other.relay.test".into(), own("404 tunnel_not_found")),
        (host, "GET / HTTP/1.1\r\nx: y".into(), bad.clone()),
        (host, "GET / HTTP/1.0\r\nx: y".into(), bad.clone()),
        (host, format!("GET / HTTP/1.1\r\nhost: {host}\r\nhost: {host}"), bad.clone()),
        (host, format!("GET / HTTP/1.1\r\nhost: user@{host}"), bad.clone()),
        (host, format!("GET / HTTP/1.1\r\nhost: {host}:https"), bad.clone()),
        (host, format!("GET / HTTP/1.1\r\nhost: {host}:99999"), bad.clone()),
        (host, format!("GET / HTTP/1.1\r\nhost: {host}, {host}"), bad.clone()),
        (host, format!("GET / HTTP/1.1\r\nhost: {name}..{DOMAIN}"), bad.clone()),
        (host, "GET / HTTP/1.1\r\nhost: ".into(), bad.clone()),
        (host, "GET / HTTP/1.1\r\nhost:".into(), bad.clone()),
        (host, format!("GET https://{host}/ HTTP/1.1\r\nhost:"), bad.clone()),
        (host, format!("OPTIONS * HTTP/1.1\r\nhost: {host}"), tunnel.clone()),
        (host, format!("GET * HTTP/1.1\r\nhost: {host}"), bad.clone()),
        (host, format!("POST * HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0"), bad),
        (host, format!("CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443"), own("405 connect_refused")),
        (host, "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443".into(), own("405 connect_refused")),
    ];
    let mut served = 0;
    for (sni, head, expected) in rows {
        served += usize::from(expected == tunnel && sni == host);
        assert_eq!(ask(&world.relay, sni, &head).await, expected, "SNI {sni}: {head}");
    }
    assert_eq!(world.server.requests().len(), served);
}

#[tokio::test]
async fn a_label_too_many_is_no_tunnel() {
    let world = relay().plain().open().server(echo()).start().await;
    let World { host, .. } = &world;
    for (name, expected) in [
        (host.clone(), "200"),
        (format!("a.{host}"), "404 tunnel_not_found"),
        (format!("x{host}"), "404 tunnel_not_found"),
        (format!("{host}.evil.example"), "421 misdirected_request"),
        (format!("evil{DOMAIN}"), "421 misdirected_request"),
        ("127.0.0.1".into(), "421 misdirected_request"),
        ("[::1]".into(), "421 misdirected_request"),
    ] {
        let mut caller = Raw::plain(world.relay.edge_addr()).await;
        caller.send(format!("GET / HTTP/1.1\r\nhost: {name}\r\n\r\n")).await;
        assert_eq!(verdict(&caller.until("\r\n\r\n").await), expected, "{name}");
    }
}

#[tokio::test]
async fn a_connection_may_carry_different_requests_but_only_for_its_own_name() {
    let world = relay().open().server(echo()).start().await;
    let mut caller = world.raw().await;
    for (host, expected) in [(world.host.clone(), "200"), (format!("other.{DOMAIN}"), "421 misdirected_request")] {
        caller.send(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!(verdict(&caller.until("\r\n\r\n").await), expected);
    }
}

#[tokio::test]
async fn without_sni_the_host_decides() {
    let world = relay().open().server(echo()).start().await;
    let tcp = TcpStream::connect(world.relay.edge_addr()).await.unwrap();
    let tls = TlsConnector::from(Arc::new(client::tls(&world.relay, &[b"http/1.1"])));
    // An address is not sent as SNI (RFC 6066 §3).
    let mut stream = tls.connect(ServerName::try_from("127.0.0.1").unwrap(), tcp).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", world.host);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    gantz_tests::within("the answer", stream.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(verdict(&String::from_utf8(answer).unwrap()), "200");
}
