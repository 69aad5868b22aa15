//! The main job: a public URL, a token, and a local server behind them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use gantz_tests::{echo, relay};

#[tokio::test]
async fn a_call_gets_through_and_comes_back() {
    let world = relay().server(echo()).start().await;
    let answer = world.post("/mcp?x=%2F").bearer_auth(&world.token).body("hello").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert_eq!(answer.text().await.unwrap(), "hello");
    let seen = world.server.last();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/mcp?x=%2F"));
    assert_eq!(seen.fields["host"], world.server.address().to_string());
    assert_eq!(seen.fields["x-forwarded-proto"], "https");
    assert!(seen.fields["forwarded"].to_str().unwrap().contains(&world.host));
    assert!(!seen.fields.contains_key("authorization"));
}

#[tokio::test]
async fn without_a_token_nothing_gets_through() {
    let world = relay().server(echo()).start().await;
    let answer = world.post("/mcp").body("hello").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["www-authenticate"], r#"Bearer realm="gantz""#);
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["error"], "missing_token");
    assert_eq!(body["message"], "Missing bearer token");
    assert!(world.server.requests().is_empty());
}
