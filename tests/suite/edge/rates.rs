//! How often callers may call: with one token, through one tunnel, and with wrong tokens from one address.

use gantz_agent::tokens::Spec;
use gantz_tests::{World, echo, relay, within};
use serde_json::Value;

async fn call(world: &World, token: &str) -> reqwest::Response {
    world.post("/mcp").bearer_auth(token).send().await.unwrap()
}

/// 429 with the time to wait and the name of the limit.
async fn assert_limited(answer: reqwest::Response, limit: &str, wait: std::ops::RangeInclusive<u64>) {
    assert_eq!(answer.status(), 429);
    let fields = answer.headers();
    assert_eq!(fields["gantz-error"], "rate_limited");
    let seconds: u64 = fields["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(wait.contains(&seconds), "{seconds}");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"], "rate_limited");
    assert!(body["message"].as_str().unwrap().contains(limit), "{body}");
}

#[tokio::test]
async fn a_token_has_a_rate_of_its_own() {
    let world = relay().server(echo()).start().await;
    let spec = Spec { rate: Some("2/h".parse().unwrap()), ..Spec::default() };
    let made = world.agent.tokens().add(spec).unwrap();
    within("the new token", world.agent.tokens().is_applied(made.generation)).await;
    let token = made.token.unwrap();
    for _ in 0..2 {
        assert_eq!(call(&world, token.reveal()).await.status(), 200);
    }
    assert_limited(call(&world, token.reveal()).await, "requests with this token; the limit is 2/h", 1..=1800).await;
    assert_eq!(call(&world, &world.token).await.status(), 200, "another token is not its business");
    assert_eq!(world.server.requests().len(), 3);
}

#[tokio::test]
async fn a_tunnel_has_a_rate_for_all_of_its_callers() {
    let world =
        relay().server(echo()).relay_config(|config| config.rates.tunnel = "2/h".parse().unwrap()).start().await;
    for _ in 0..2 {
        assert_eq!(call(&world, &world.token).await.status(), 200);
    }
    assert_limited(call(&world, &world.token).await, "requests to this tunnel; the limit is 2/h", 1..=1800).await;
}

#[tokio::test]
async fn whoever_guesses_too_often_is_not_listened_to() {
    let world = relay().server(echo()).relay_config(|config| config.rates.guess = "3/h".parse().unwrap()).start().await;
    assert_eq!(call(&world, &world.token).await.status(), 200);
    // Nothing at all is no guess.
    for _ in 0..10 {
        assert_eq!(world.get("/mcp").send().await.unwrap().status(), 401);
    }
    for _ in 0..3 {
        assert_eq!(call(&world, "a-wrong-token-of-some-length").await.status(), 401);
    }
    let limit = "wrong tokens from this address; the limit is 3/h";
    assert_limited(call(&world, "a-wrong-token-of-some-length").await, limit, 1..=1200).await;
    assert_limited(call(&world, &world.token).await, limit, 1..=1200).await;
    assert_eq!(world.server.requests().len(), 1);
}

#[tokio::test]
async fn whoever_comes_without_a_token_has_a_rate_and_keeps_nobody_out() {
    let change = |config: &mut gantz_relay::Config| config.rates.missing_token = "4/h".parse().unwrap();
    let world = relay().server(echo()).relay_config(change).start().await;
    let without = async |caller: &reqwest::Client| caller.post(format!("{}/mcp", world.url)).send().await.unwrap();
    // Both versions of HTTP count together.
    let callers = [world.http1(), world.client()];
    for _ in 0..2 {
        for caller in &callers {
            let answer = without(caller).await;
            assert_eq!(answer.status(), 401);
            assert_eq!(answer.headers()["gantz-error"], "missing_token");
        }
    }
    for caller in &callers {
        let answer = without(caller).await;
        assert!(!answer.headers().contains_key("www-authenticate"));
        let limit = "requests without a token from this address; the limit is 4/h";
        assert_limited(answer, limit, 1..=900).await;
        let right = caller.post(format!("{}/mcp", world.url)).bearer_auth(&world.token).send().await.unwrap();
        assert_eq!(right.status(), 200, "the same source, with the right token");
        let wrong = caller.post(format!("{}/mcp", world.url)).bearer_auth("a-wrong-token").send().await.unwrap();
        assert_eq!(wrong.status(), 401, "what is wrong is another limit's business");
    }
    assert_limited(without(&callers[0]).await, "requests without a token", 1..=900).await;
    assert_eq!(world.server.requests().len(), 2);
}

#[tokio::test]
async fn whoever_guesses_too_often_is_told_so_without_a_token_too() {
    let world = relay().server(echo()).relay_config(|config| config.rates.guess = "1/h".parse().unwrap()).start().await;
    assert_eq!(call(&world, "a-wrong-token").await.status(), 401);
    assert_limited(world.get("/mcp").send().await.unwrap(), "wrong tokens from this address", 1..=3600).await;
}

#[tokio::test]
async fn an_open_tunnel_has_a_rate_as_well() {
    let world =
        relay().open().server(echo()).relay_config(|config| config.rates.tunnel = "1/h".parse().unwrap()).start().await;
    assert_eq!(world.get("/").send().await.unwrap().status(), 200);
    assert_limited(world.get("/").send().await.unwrap(), "requests to this tunnel", 1..=3600).await;
}
