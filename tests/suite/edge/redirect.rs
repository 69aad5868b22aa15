//! The plain HTTP listener: it sends browsers to HTTPS, and refuses whoever would follow with a secret.

use gantz_relay::config::PublicOrigin;
use gantz_tests::{DOMAIN, Raw, relay};
use http::uri::Scheme;

async fn ask(relay: &gantz_relay::Relay, head: &str) -> String {
    let mut caller = Raw::plain(relay.http_addr().unwrap()).await;
    caller.send(format!("{head}\r\n\r\n")).await;
    caller.until("\r\n\r\n").await
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn a_request_that_carries_nothing_is_sent_to_https() {
    let relay = relay().start_relay();
    let port = relay.edge_addr().port();
    for (method, host, path, to) in [
        ("GET", "cool.relay.test", "/mcp?a=%20b", format!("https://cool.relay.test:{port}/mcp?a=%20b")),
        ("HEAD", "COOL.Relay.Test.:80", "/", format!("https://cool.relay.test:{port}/")),
        ("GET", DOMAIN, "//evil.example/x", format!("https://{DOMAIN}:{port}//evil.example/x")),
    ] {
        let head = ask(&relay, &format!("{method} {path} HTTP/1.1\r\nhost: {host}")).await;
        assert!(head.starts_with("HTTP/1.1 308"), "{head}");
        assert_eq!(field(&head, "location"), Some(to.as_str()));
    }
}

#[tokio::test]
async fn the_port_is_the_publics() {
    let https = |port| PublicOrigin { scheme: Scheme::HTTPS, port };
    for (public, to) in [(443, "https://cool.relay.test/x"), (8443, "https://cool.relay.test:8443/x")] {
        let relay = relay().relay_config(|config| config.public = Some(https(public))).start_relay();
        let head = ask(&relay, "GET /x HTTP/1.1\r\nhost: cool.relay.test:80").await;
        assert_eq!(field(&head, "location"), Some(to));
    }
}

#[tokio::test]
async fn a_request_with_a_secret_or_a_body_is_refused() {
    let relay = relay().start_relay();
    for head in [
        "GET /mcp HTTP/1.1\r\nhost: cool.relay.test\r\nauthorization: Bearer x",
        "GET /mcp HTTP/1.1\r\nhost: cool.relay.test\r\nx-api-key: x",
        "POST /mcp HTTP/1.1\r\nhost: cool.relay.test\r\ncontent-length: 0",
        "DELETE /mcp HTTP/1.1\r\nhost: cool.relay.test",
        "OPTIONS /mcp HTTP/1.1\r\nhost: cool.relay.test\r\norigin: http://localhost",
        "CONNECT cool.relay.test:443 HTTP/1.1\r\nhost: cool.relay.test:443",
    ] {
        let answer = ask(&relay, head).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{head}: {answer}");
        assert_eq!(field(&answer, "gantz-error"), Some("https_required"), "{head}");
        assert_eq!(field(&answer, "location"), None);
    }
}

#[tokio::test]
async fn nobody_is_sent_elsewhere() {
    let relay = relay().start_relay();
    for host in ["evil.example", "relay.test.evil.example", "127.0.0.1", "user@cool.relay.test", "cool.relay.test@evil"]
    {
        let answer = ask(&relay, &format!("GET / HTTP/1.1\r\nhost: {host}")).await;
        assert!(answer.starts_with("HTTP/1.1 421"), "{host}: {answer}");
        assert_eq!(field(&answer, "location"), None);
    }
}
