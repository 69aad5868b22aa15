//! What the local server sees of where a request came from: its own authority as `Host`, the public one in the
//! forwarding fields, and no `Origin`.

use gantz_tests::{World, echo, relay};
use http::{HeaderMap, HeaderValue};

async fn seen(world: &World, fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut request = world.post("/mcp").bearer_auth(&world.token);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    assert_eq!(request.body("{}").send().await.unwrap().status(), 200);
    world.server.last().fields
}

#[tokio::test]
async fn the_server_sees_itself_as_host_and_the_public_origin_as_forwarded() {
    let world = relay().server(echo()).start().await;
    let port = world.relay.edge_addr().port();
    let seen = seen(&world, &[]).await;
    assert_eq!(seen["host"], world.server.address().to_string());
    assert_eq!(seen.get_all("host").into_iter().count(), 1);
    assert_eq!(seen["x-forwarded-host"], format!("{}:{port}", world.host));
    assert_eq!(seen["x-forwarded-proto"], "https");
    assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
    // RFC 7239 §4: a host with a port is quoted.
    assert_eq!(seen["forwarded"], format!("for=127.0.0.1;host=\"{}:{port}\";proto=https", world.host));
}

#[tokio::test]
async fn what_the_caller_says_about_itself_is_dropped_in_every_spelling() {
    let world = relay().server(echo()).start().await;
    let spoofed = [
        ("x-forwarded-host", "evil.example"),
        ("x_forwarded_host", "evil.example"),
        ("x-forwarded_for", "6.6.6.6"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-anything", "1"),
        ("x-real-ip", "6.6.6.6"),
        ("x_real_ip", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6"),
        ("via", "1.1 evil"),
        ("gantz-anything", "1"),
        ("gantz_anything", "1"),
    ];
    let seen = seen(&world, &spoofed).await;
    let all: Vec<String> = seen.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    for word in ["evil", "6.6.6.6", "gopher", "x-forwarded-port", "anything", "_"] {
        assert!(!all.iter().any(|line| line.contains(word)), "{word}: {all:?}");
    }
    assert_eq!(seen.get_all("x-forwarded-for").into_iter().count(), 1);
    assert_eq!(seen.get_all("forwarded").into_iter().count(), 1);
}

#[tokio::test]
async fn origin_ends_at_the_edge() {
    let world = relay().server(echo()).start().await;
    let seen = seen(&world, &[("origin", "http://localhost:6274"), ("referer", "http://localhost:6274/page")]).await;
    assert!(!seen.contains_key("origin"));
    // Everything else is the caller's own business.
    assert_eq!(seen["referer"], "http://localhost:6274/page");
}

#[tokio::test]
async fn unknown_fields_of_the_protocol_pass() {
    let world = relay().server(echo()).start().await;
    let fields = [
        ("mcp-session-id", "s-1"),
        ("mcp-protocol-version", "2099-01-01"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
        ("mcp-param-region", "eu"),
        ("last-event-id", "7"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("cookie", "a=1"),
    ];
    let seen = seen(&world, &fields).await;
    for (name, value) in fields {
        assert_eq!(seen[name], value);
    }
}

#[tokio::test]
async fn the_owner_can_set_host_and_fields_of_his_own() {
    let world = relay()
        .server(echo())
        .agent_config(|config| {
            config.host_header = Some(HeaderValue::from_static("localhost:1234"));
            config.upstream_headers = vec![
                (http::header::AUTHORIZATION, HeaderValue::from_static("Bearer the-servers-own")),
                (http::HeaderName::from_static("x-owner"), HeaderValue::from_static("yes")),
            ];
        })
        .start()
        .await;
    let seen = seen(&world, &[("x-owner", "callers")]).await;
    assert_eq!(seen["host"], "localhost:1234");
    assert_eq!(seen["authorization"], "Bearer the-servers-own");
    assert_eq!(seen.get_all("x-owner").into_iter().collect::<Vec<_>>(), ["yes"]);
    assert!(seen["x-forwarded-host"].to_str().unwrap().starts_with(&world.host));
}

#[tokio::test]
async fn a_plain_edge_says_http() {
    let world = relay().plain().server(echo()).start().await;
    let mut raw = gantz_tests::Raw::plain(world.relay.edge_addr()).await;
    raw.send(format!("GET / HTTP/1.1\r\nhost: {}\r\nauthorization: bearer {}\r\n\r\n", world.host, world.token)).await;
    assert!(raw.until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    let seen = world.server.last().fields;
    assert_eq!(seen["x-forwarded-proto"], "http");
    assert_eq!(seen["x-forwarded-host"], world.host);
    assert_eq!(seen["forwarded"], format!("for=127.0.0.1;host=\"{}\";proto=http", world.host));
}
