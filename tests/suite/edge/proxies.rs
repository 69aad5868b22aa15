//! `--tls off`, behind something that ends TLS: whom to believe about the caller.

use gantz_relay::config::PublicOrigin;
use gantz_tests::{Raw, World, echo, relay};
use http::HeaderMap;
use http::uri::Scheme;

async fn world(trusted: &'static [&'static str]) -> World {
    relay()
        .plain()
        .open()
        .server(echo())
        .relay_config(|config| {
            config.trusted_proxies = trusted.iter().map(|net| net.parse().unwrap()).collect();
            config.public = Some(PublicOrigin { scheme: Scheme::HTTPS, port: 443 });
        })
        .start()
        .await
}

async fn seen(world: &World, fields: &str) -> HeaderMap {
    let mut caller = Raw::plain(world.relay.edge_addr()).await;
    caller.send(format!("GET / HTTP/1.1\r\nhost: {}\r\n{fields}\r\n", world.host)).await;
    assert!(caller.until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    world.server.last().fields
}

#[tokio::test]
async fn a_proxy_that_is_not_named_is_not_believed() {
    for trusted in [&[][..], &["10.0.0.0/8", "::1/128"]] {
        let world = world(trusted).await;
        let seen = seen(&world, "x-forwarded-for: 203.0.113.9\r\nx-forwarded-proto: http\r\n").await;
        assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
        // The public's own scheme, as the operator has told it.
        assert_eq!(seen["x-forwarded-proto"], "https");
    }
}

#[tokio::test]
async fn a_trusted_proxy_says_who_called_and_how() {
    let world = world(&["127.0.0.0/8", "10.0.0.0/8"]).await;
    assert_eq!(world.url, format!("https://{}", world.host));
    for (fields, client, proto) in [
        ("", "127.0.0.1", "https"),
        ("x-forwarded-for: 203.0.113.9\r\nx-forwarded-proto: http\r\n", "203.0.113.9", "http"),
        ("x-forwarded-for: 6.6.6.6, 203.0.113.9, 10.1.2.3\r\n", "203.0.113.9", "https"),
        ("x-forwarded-for: 6.6.6.6\r\nx-forwarded-for: 203.0.113.9\r\n", "203.0.113.9", "https"),
        ("x-forwarded-for: 203.0.113.9:4711\r\n", "203.0.113.9", "https"),
        ("x-forwarded-for: 6.6.6.6, unknown\r\nx-forwarded-proto: gopher\r\n", "127.0.0.1", "https"),
    ] {
        let seen = seen(&world, fields).await;
        assert_eq!(seen["x-forwarded-for"], client, "{fields}");
        assert_eq!(seen["x-forwarded-proto"], proto, "{fields}");
        assert_eq!(seen["forwarded"], format!("for={client};host=\"{}\";proto={proto}", world.host), "{fields}");
    }
    let seen = seen(&world, "x-forwarded-for: 2001:db8::7\r\n").await;
    assert_eq!(seen["x-forwarded-for"], "2001:db8::7");
    assert!(seen["forwarded"].to_str().unwrap().starts_with("for=\"[2001:db8::7]\";"));
}
