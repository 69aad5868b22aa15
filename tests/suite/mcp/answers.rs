//! What the edge says itself about credentials, discovery and large bodies: to programs in JSON, to a browser as a page.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use bytes::Bytes;
use gantz_shared::control::TokenEntry;
use gantz_tests::{Origin, World, canary, echo, relay};

/// A server whose own limit is above the relay's.
fn large_echo() -> Origin {
    Origin::axum(Router::new().fallback(async |body: Bytes| body).layer(DefaultBodyLimit::disable()))
}

const EXPIRED: &str = r#"Bearer realm="gantz", error="invalid_token", error_description="The token has expired""#;

/// A tunnel with one live token and one that expired a second ago.
async fn world() -> (World, String) {
    let expired = canary::other_token();
    let digest = expired.digest();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let entry = TokenEntry { expires_at: Some(now - 1), ..TokenEntry::new("old", digest) };
    let world = relay().server(echo()).agent_config(|config| config.policy.tokens.push(entry)).start().await;
    (world, expired.reveal().to_owned())
}

#[tokio::test]
async fn the_challenge_tells_what_is_wrong() {
    let (world, expired) = world().await;
    let invalid =
        r#"Bearer realm="gantz", error="invalid_token", error_description="The token is not valid for this tunnel""#;
    for (token, code, message, challenge) in [
        (None, "missing_token", "Missing bearer token", r#"Bearer realm="gantz""#),
        // The other secret that people have of gantz.
        (Some(canary::ACCESS_KEY), "invalid_token", "Invalid token", invalid),
        (Some(expired.as_str()), "expired_token", "The token has expired", EXPIRED),
    ] {
        let request = world.post("/mcp").body("{}");
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        let fields = answer.headers();
        assert_eq!(fields.get_all("www-authenticate").into_iter().collect::<Vec<_>>(), [challenge]);
        assert_eq!(fields["gantz-error"], code);
        assert_eq!(fields["content-type"], "application/json");
        assert_eq!(fields["cache-control"], "no-store");
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!((&body["error"], &body["message"]), (&code.into(), &message.into()));
        assert_eq!(body.as_object().unwrap().len(), 3);
    }
    assert!(world.server.requests().is_empty());
}

#[tokio::test]
async fn a_live_token_among_expired_ones_is_good() {
    let (world, _) = world().await;
    assert_eq!(world.post("/mcp").bearer_auth(&world.token).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn discovery_of_an_authorization_server_is_a_json_404() {
    let (world, _) = world().await;
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
    ] {
        let answer = world.get(path).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        assert!(!answer.headers().contains_key("www-authenticate"));
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body["error"], "no_authorization_server");
    }
    assert_eq!(world.get("/.well-known/anything-else").send().await.unwrap().status(), 401);
    assert!(world.server.requests().is_empty());
}

#[tokio::test]
async fn a_browser_gets_a_page_that_says_the_same() {
    let (world, _) = world().await;
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let answer = world.get("/<script>alert(1)</script>").header("accept", accept).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["gantz-error"], "missing_token");
    assert_eq!(answer.headers()["www-authenticate"], r#"Bearer realm="gantz""#);
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let page = answer.text().await.unwrap();
    assert!(page.contains("Missing bearer token") && page.contains("missing_token"), "{page}");
    assert!(!page.contains("alert"));
    for accept in ["*/*", "application/json, text/event-stream", "application/json, text/html"] {
        let answer = world.get("/mcp").header("accept", accept).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json", "{accept}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_that_names_it() {
    let limit = 5_000;
    let world = relay().server(echo()).relay_config(|config| config.limits.body = limit).start().await;
    let body = |len: usize| vec![b'x'; len];
    let answer = world.post("/mcp").bearer_auth(&world.token).body(body(5_000)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.bytes().await.unwrap().len()), (200, 5_000));

    let answer = world.post("/mcp").bearer_auth(&world.token).body(body(5_001)).send().await.unwrap();
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.headers()["gantz-error"], "body_too_large");
    let answer: serde_json::Value = answer.json().await.unwrap();
    assert!(answer["message"].as_str().unwrap().contains("5000"), "{answer}");

    // Without a declared length it shows only on the way.
    let mut raw = world.raw().await;
    let World { host, token, .. } = &world;
    raw.send(format!("POST / HTTP/1.1\r\nhost: {host}\r\nx-api-key: {token}\r\ntransfer-encoding: chunked\r\n\r\n"))
        .await;
    raw.send(format!("1389\r\n{}\r\n0\r\n\r\n", "x".repeat(5_001))).await;
    let head = raw.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
}

#[tokio::test]
async fn four_mebibytes_and_more_are_normal() {
    let world = relay().server(large_echo()).start().await;
    let body = vec![b'x'; 15 << 20];
    let answer = world.post("/mcp").bearer_auth(&world.token).body(body.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.unwrap() == body);
    let answer = world.post("/mcp").bearer_auth(&world.token).body(vec![b'x'; (16 << 20) + 1]).send().await.unwrap();
    assert_eq!(answer.status(), 413);
    assert!(answer.text().await.unwrap().contains("16777216"));
}

#[tokio::test]
async fn a_caller_that_asks_first_is_told_before_it_sends() {
    let world = relay().server(echo()).relay_config(|config| config.limits.body = 100).start().await;
    let mut raw = world.raw().await;
    let World { host, token, .. } = &world;
    raw.send(format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\nx-api-key: {token}\r\nexpect: 100-continue\r\ncontent-length: 101\r\n\r\n"
    ))
    .await;
    let head = raw.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
}
