//! Tokens at the edge: what lets a caller in, and what is a 401 and never a 500.

use std::sync::Arc;

use gantz_agent::{Agent, RelayAddress};
use gantz_shared::control::{FromAgent, FromRelay, Hello, Policy, TokenEntry};
use gantz_shared::token::Digest;
use gantz_tests::world::{policy, trust};
use gantz_tests::{World, canary, client, echo, relay, within};

use super::raw_agent::{hello, open};

async fn head(world: &World, fields: &[u8]) -> String {
    let mut caller = world.raw().await;
    let mut request = format!("GET / HTTP/1.1\r\nhost: {}\r\n", world.host).into_bytes();
    request.extend_from_slice(fields);
    request.extend_from_slice(b"\r\n");
    caller.send(request).await;
    caller.until("\r\n\r\n").await
}

#[tokio::test]
async fn every_spelling_of_the_scheme_is_one() {
    let world = relay().server(echo()).start().await;
    let token = &world.token;
    for line in [
        format!("Authorization: Bearer {token}"),
        format!("authorization: bearer {token}"),
        format!("AUTHORIZATION: BEARER {token}"),
        format!("authorization: bEaReR    {token}   "),
        format!("x-api-key: {token}"),
        format!("X-API-Key:{token}"),
    ] {
        let head = head(&world, format!("{line}\r\n").as_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{}: {head}", line.replace(token, "TOKEN"));
    }
}

#[tokio::test]
async fn whatever_is_malformed_is_a_401() {
    let world = relay().server(echo()).start().await;
    let token = world.token.clone();
    let with = |line: &str| line.replace("TOKEN", &token).into_bytes();
    let mut rows = vec![
        with("authorization: \r\n"),
        with("authorization: Bearer\r\n"),
        with("authorization: Bearer \r\n"),
        with("authorization: BearerTOKEN\r\n"),
        with("authorization: TOKEN\r\n"),
        with("authorization: Bearer\tTOKEN\r\n"),
        with("authorization: Basic TOKEN\r\n"),
        with("authorization: Token TOKEN\r\n"),
        with("authorization: Bearer \"TOKEN\"\r\n"),
        with("authorization: Bearer TOKEN, Bearer TOKEN\r\n"),
        with("authorization: Bearer TOKEN x\r\n"),
        with("authorization: Bearer TOKEN=\r\n"),
        with("authorization: Bearer TOKENx\r\n"),
        with("authorization: Bearer =TOKEN\r\n"),
        with("authorization: Bearer TOKEN\r\nauthorization: Bearer TOKEN\r\n"),
        with("authorization: Basic dTpw\r\nx-api-key: TOKEN\r\n"),
        with("x-api-key: \r\n"),
        with("x-api-key: Bearer TOKEN\r\n"),
        with("x-api-key: TOKEN\r\nx-api-key: TOKEN\r\n"),
        with("proxy-authorization: Bearer TOKEN\r\n"),
        with("cookie: token=TOKEN\r\n"),
        format!("authorization: Bearer {}\r\n", &token[..token.len() - 1]).into_bytes(),
        format!("authorization: Bearer {}\r\n", token.to_ascii_uppercase()).into_bytes(),
        format!("authorization: Bearer {}\r\n", "a".repeat(20_000)).into_bytes(),
    ];
    rows.push(b"authorization: Bearer \xff\xfe\r\n".to_vec());
    rows.push(b"x-api-key: \xc3\xa4\r\n".to_vec());
    for row in rows {
        let head = head(&world, &row).await;
        let row = String::from_utf8_lossy(&row).replace(&token, "TOKEN");
        assert!(head.starts_with("HTTP/1.1 401"), "{row}: {head}");
        assert!(head.to_ascii_lowercase().contains("\r\nwww-authenticate: bearer realm=\"gantz\""), "{row}: {head}");
    }
    assert!(world.server.requests().is_empty());
}

#[tokio::test]
async fn a_token_in_the_query_is_no_token() {
    let world = relay().server(echo()).start().await;
    for name in ["access_token", "token", "api_key"] {
        let answer = world.get(&format!("/mcp?{name}={}", world.token)).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers()["gantz-error"], "missing_token");
        assert!(!answer.text().await.unwrap().contains(&world.token));
    }
}

#[tokio::test]
async fn a_token_opens_its_own_tunnel_only() {
    let world = relay().server(echo()).start().await;
    let other = canary::other_token();
    let address = RelayAddress { host: "127.0.0.1".into(), port: world.relay.agent_addr().port() };
    let target = format!("http://{}", world.server.address()).parse().unwrap();
    let mut config = gantz_agent::Config::new(address, trust(&world.relay), target);
    config.policy = policy(&other);
    let agent = Agent::start(config, Arc::new(|_| {})).await.unwrap();
    let url = agent.welcome().url.clone();
    let caller = client::reqwest(&world.relay, &format!("{}.relay.test", agent.welcome().name), false);
    let status = async |caller: &reqwest::Client, url: &str, token: &str| {
        caller.get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(&caller, &url, other.reveal()).await, 200);
    assert_eq!(status(&caller, &url, &world.token).await, 401);
    assert_eq!(status(&world.client(), &world.url, other.reveal()).await, 401);
    assert_eq!(status(&world.client(), &world.url, &world.token).await, 200);
}

#[tokio::test]
async fn a_tunnel_without_tokens_lets_nobody_in() {
    let relay = relay().start_relay();
    let agent = open(&relay, Hello { policy: Policy::default(), ..hello() }).await.unwrap();
    let caller = client::reqwest(&relay, &agent.host(), false);
    // The digest of nothing at all is a digest like any other.
    for token in ["", "=", "anything"] {
        let answer = caller.get(&agent.welcome.url).header("x-api-key", token).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{token:?}");
    }
}

#[tokio::test]
async fn new_tokens_count_from_the_moment_they_are_applied() {
    let relay = relay().start_relay();
    let entry = |token: &str| TokenEntry::new(token, Digest::of(token.as_bytes()));
    let tokens = Policy { tokens: vec![entry("old")], ..Policy::default() };
    let mut agent = open(&relay, Hello { policy: tokens, ..hello() }).await.unwrap();
    let set = FromAgent::SetTokens { generation: 7, tokens: vec![entry("new"), entry("newer")] };
    agent.sender.send(&set).await.unwrap();
    match within("the answer", agent.receiver.receive()).await.unwrap() {
        Some(FromRelay::TokensApplied { generation, .. }) => assert_eq!(generation, 7),
        other => panic!("{other:?}"),
    }
    let caller = client::reqwest(&relay, &agent.host(), false);
    let refused = caller.get(&agent.welcome.url).bearer_auth("old").send().await.unwrap();
    assert_eq!(refused.headers()["gantz-error"], "invalid_token");
    for token in ["new", "newer"] {
        let (answer, ()) = tokio::join!(caller.get(&agent.welcome.url).bearer_auth(token).send(), async {
            let request = agent.request().await;
            assert_eq!(request.head.token, token);
            request.answer("in").await;
        });
        assert_eq!(answer.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_token_that_is_listed_twice_lives_as_long_as_its_longest_life() {
    let relay = relay().start_relay();
    let entry = |id: &str, expires_at| TokenEntry { expires_at, ..TokenEntry::new(id, Digest::of(b"twice")) };
    for (tokens, expected) in [
        (vec![entry("dead", Some(1)), entry("live", Some(u64::MAX))], Some("live")),
        (vec![entry("live", None), entry("dead", Some(1))], Some("live")),
        (vec![entry("dead", Some(1)), entry("dead too", Some(0))], None),
    ] {
        let agent = open(&relay, Hello { policy: Policy { tokens, ..Policy::default() }, ..hello() }).await.unwrap();
        let caller = client::reqwest(&relay, &agent.host(), false);
        let call = caller.get(&agent.welcome.url).bearer_auth("twice").send();
        let Some(id) = expected else {
            assert_eq!(call.await.unwrap().headers()["gantz-error"], "expired_token");
            continue;
        };
        let (answer, ()) = tokio::join!(call, async {
            let request = agent.request().await;
            assert_eq!(request.head.token, id);
            request.answer("in").await;
        });
        assert_eq!(answer.unwrap().status(), 200);
    }
}

/// What a CGI-style server could take for a credential, or for its own setting, does not get there.
#[tokio::test]
async fn credentials_end_at_the_edge_in_every_spelling() {
    let world = relay().server(echo()).start().await;
    for client in [world.http1(), world.client()] {
        let call = client.get(&world.url).bearer_auth(&world.token);
        let call =
            ["x-api-key", "x_api_key", "x_api-key", "proxy"].iter().fold(call, |call, name| call.header(*name, "x"));
        let answer = within("an answer", call.header("x-api", "kept").send()).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    for seen in world.server.requests() {
        let names: Vec<_> = seen.fields.keys().map(|name| name.as_str().replace('_', "-")).collect();
        for gone in ["authorization", "x-api-key", "proxy"] {
            assert!(!names.iter().any(|name| name == gone), "{names:?}");
        }
        assert_eq!(seen.fields["x-api"], "kept");
    }
}
