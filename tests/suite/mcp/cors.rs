//! What browsers ask and get: preflights without a token, readable answers for allowed origins, and nothing for others.

use axum::Router;
use axum::routing::any;
use gantz_tests::{Builder, DOMAIN, Origin, World, client, echo, relay};
use http::{HeaderMap, Method};

/// A page of the caller's own machine, such as an inspector.
const LOCAL: &str = "http://localhost:6274";

fn allowing(origins: &'static [&'static str]) -> Builder {
    relay().server(echo()).agent_config(|config| {
        config.policy.allowed_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    })
}

async fn preflight(world: &World, origin: &str) -> reqwest::Response {
    world
        .client()
        .request(Method::OPTIONS, format!("{}/mcp", world.url))
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization, content-type, mcp-protocol-version, mcp-param-x")
        .send()
        .await
        .unwrap()
}

fn words(fields: &HeaderMap, name: &str) -> Vec<String> {
    let text = fields[name].to_str().unwrap().to_ascii_lowercase();
    text.split(',').map(|word| word.trim().to_owned()).collect()
}

fn has_no_cors(fields: &HeaderMap) -> bool {
    !fields.keys().any(|name| name.as_str().starts_with("access-control-"))
}

#[tokio::test]
async fn a_preflight_needs_no_token_and_does_not_reach_the_server() {
    let world = relay().server(echo()).start().await;
    let answer = preflight(&world, LOCAL).await;
    assert_eq!(answer.status(), 204);
    let fields = answer.headers();
    assert_eq!(fields["access-control-allow-origin"], LOCAL);
    let asked = "authorization, content-type, mcp-protocol-version, mcp-param-x";
    assert_eq!(fields["access-control-allow-headers"], asked);
    for method in ["get", "post", "delete"] {
        assert!(words(fields, "access-control-allow-methods").contains(&method.to_owned()));
    }
    assert!(fields["access-control-max-age"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    assert!(words(fields, "vary").contains(&"origin".to_owned()));
    assert!(!fields.contains_key("access-control-allow-credentials"));
    assert!(!fields.contains_key("gantz-error"));
    assert!(world.server.requests().is_empty());
}

#[tokio::test]
async fn an_options_request_that_is_no_preflight_is_the_servers() {
    let world = relay().server(echo()).start().await;
    let options = world.client().request(Method::OPTIONS, &world.url).header("origin", LOCAL);
    assert_eq!(options.try_clone().unwrap().send().await.unwrap().status(), 401);
    assert_eq!(options.bearer_auth(&world.token).send().await.unwrap().status(), 200);
    assert_eq!(world.server.last().method, "OPTIONS");
}

#[tokio::test]
async fn an_allowed_page_reads_the_answer_and_its_fields() {
    let world = relay().server(echo()).start().await;
    let own = world.url.clone();
    for origin in [LOCAL, "http://127.0.0.1:3000", "http://[::1]:3000", "https://localhost", own.as_str()] {
        let answer = world.post("/mcp").bearer_auth(&world.token).header("origin", origin).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{origin}");
        assert_eq!(answer.headers()["access-control-allow-origin"], origin);
        let exposed = words(answer.headers(), "access-control-expose-headers");
        for name in ["mcp-session-id", "mcp-protocol-version", "www-authenticate"] {
            assert!(exposed.contains(&name.to_owned()), "{name}: {exposed:?}");
        }
        assert!(words(answer.headers(), "vary").contains(&"origin".to_owned()));
    }
}

#[tokio::test]
async fn a_page_can_read_why_it_was_refused() {
    let world = relay().server(echo()).start().await;
    let answer = world.post("/mcp").header("origin", LOCAL).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["access-control-allow-origin"], LOCAL);
    assert!(words(answer.headers(), "access-control-expose-headers").contains(&"www-authenticate".to_owned()));
    assert_eq!(answer.headers()["www-authenticate"], r#"Bearer realm="gantz""#);
}

#[tokio::test]
async fn other_pages_are_refused_even_with_a_token() {
    let world = relay().server(echo()).start().await;
    let port = world.relay.edge_addr().port();
    let sibling = format!("https://other.relay.test:{port}");
    let apex = format!("https://relay.test:{port}");
    let wrong_port = format!("https://{}:1", world.host);
    for origin in [
        "https://evil.example",
        "null",
        "",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "file://",
        "https://evil.example#localhost",
        "chrome-extension://abc",
        &sibling,
        &apex,
        &wrong_port,
    ] {
        let answer = world.post("/mcp").bearer_auth(&world.token).header("origin", origin).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{origin}");
        assert_eq!(answer.headers()["gantz-error"], "origin_not_allowed");
        assert!(has_no_cors(answer.headers()), "{origin}: {:?}", answer.headers());
        let answer = preflight(&world, origin).await;
        assert_eq!(answer.status(), 403, "{origin}");
        assert!(has_no_cors(answer.headers()), "{origin}: {:?}", answer.headers());
    }
    let two = world.post("/mcp").bearer_auth(&world.token).header("origin", LOCAL).header("origin", LOCAL);
    assert_eq!(two.send().await.unwrap().status(), 403);
    assert!(world.server.requests().is_empty());
}

#[tokio::test]
async fn the_owners_list_adds_origins() {
    let world = allowing(&["https://app.example", "null"]).start().await;
    for (origin, status) in [
        ("https://app.example", 204),
        ("HTTPS://App.Example", 204),
        ("null", 204),
        (LOCAL, 204),
        ("https://app.example:8443", 403),
        ("http://app.example", 403),
        ("https://evil.example", 403),
    ] {
        assert_eq!(preflight(&world, origin).await.status(), status, "{origin}");
    }
}

#[tokio::test]
async fn a_star_allows_every_page_by_its_own_name() {
    let world = allowing(&["*"]).start().await;
    for origin in ["https://anything.example", "null"] {
        assert_eq!(preflight(&world, origin).await.headers()["access-control-allow-origin"], origin);
        let answer = world.post("/mcp").bearer_auth(&world.token).header("origin", origin).send().await.unwrap();
        assert_eq!(answer.headers()["access-control-allow-origin"], origin);
    }
    assert_eq!(world.post("/mcp").header("origin", "https://x.example").send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn what_the_server_says_of_origins_is_replaced_and_what_it_exposes_is_not() {
    let world = relay().server(with_cors_of_its_own()).start().await;
    let answer = world.post("/mcp").bearer_auth(&world.token).header("origin", LOCAL).send().await.unwrap();
    let fields = answer.headers();
    let one = |name: &str| fields.get_all(name).into_iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(one("access-control-allow-origin"), [LOCAL]);
    assert!(one("access-control-allow-credentials").is_empty());
    assert_eq!(one("access-control-expose-headers").len(), 1);
    let exposed = words(fields, "access-control-expose-headers");
    for name in ["mcp-session-id", "www-authenticate", "x-mine", "x-more"] {
        assert!(exposed.contains(&name.to_owned()), "{name}: {exposed:?}");
    }
    assert_eq!(one("vary"), ["accept-encoding", "Origin"]);
    assert_eq!(one("mcp-session-id"), ["s-1"]);
}

/// Otherwise an inspector could only say that something went wrong.
#[tokio::test]
async fn a_page_of_this_machine_may_read_that_there_is_no_such_tunnel() {
    let world = relay().server(echo()).start().await;
    let host = format!("nobody-here.{DOMAIN}");
    let caller = client::reqwest(&world.relay, &host, false);
    let url = format!("https://{host}:{}/mcp", world.relay.edge_addr().port());
    for (origin, may_read) in [(LOCAL, true), ("https://elsewhere.example", false)] {
        let answer = caller.post(&url).header("origin", origin).send().await.unwrap();
        assert_eq!(answer.headers()["gantz-error"], "tunnel_not_found");
        assert_eq!(answer.headers().contains_key("access-control-allow-origin"), may_read, "{origin}");
    }
}

/// A server that has been told of its pages before there was a tunnel.
fn with_cors_of_its_own() -> Origin {
    let router = Router::new().fallback(any(async || {
        let fields = [
            ("access-control-allow-origin", "http://localhost:9"),
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", "x-mine"),
            ("access-control-expose-headers", "x-more"),
            ("vary", "accept-encoding"),
            ("mcp-session-id", "s-1"),
        ];
        axum::response::AppendHeaders(fields)
    }));
    Origin::axum(router)
}

/// With the browser's cookies for the server a page may do what its user may: the owner has to have named it.
#[tokio::test]
async fn credentials_are_for_pages_that_are_allowed_by_name() {
    for (listed, origin, may) in [
        (&["https://app.example"][..], "https://app.example", true),
        (&["https://app.example", "*"], "https://app.example", true),
        (&["https://app.example", "*"], "https://other.example", false),
        (&["*"], "https://app.example", false),
        (&["https://app.example"], LOCAL, false),
    ] {
        let world = relay()
            .server(with_cors_of_its_own())
            .agent_config(|config| {
                config.policy.allowed_origins = listed.iter().map(|origin| (*origin).to_owned()).collect();
            })
            .start()
            .await;
        let expected = may.then_some("true");
        let said = |fields: &HeaderMap| {
            fields.get("access-control-allow-credentials").map(|value| value.to_str().unwrap().to_owned())
        };
        let answer = world.post("/mcp").bearer_auth(&world.token).header("origin", origin).send().await.unwrap();
        assert_eq!(said(answer.headers()).as_deref(), expected, "{listed:?} {origin}");
        assert_eq!(answer.headers()["access-control-allow-origin"], origin);
        assert_eq!(said(preflight(&world, origin).await.headers()).as_deref(), expected, "{listed:?} {origin}");
        // Only where the server says it.
        let refused = world.post("/mcp").header("origin", origin).send().await.unwrap();
        assert_eq!(said(refused.headers()), None, "{listed:?} {origin}");
    }
}
