//! The audit log: a line for whoever came or was turned away, and a secret in none of them.

use std::time::{Duration, Instant};

use gantz_agent::tokens::Spec;
use gantz_shared::control::{FromAgent, FromRelay};
use gantz_tests::{World, echo, relay, within};
use serde_json::Value;

use crate::raw_agent::{self, hello};

/// Ends a world, and reads what it has written down.
async fn lines(world: World, file: &std::path::Path) -> Vec<Value> {
    let World { relay, agent, .. } = world;
    within("goodbye", agent.shutdown()).await;
    within("the end of the relay", relay.shutdown()).await;
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn who_came_and_who_was_turned_away_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit/audit.log");
    let world = relay()
        .server(echo())
        .relay_config({
            let file = file.clone();
            move |config| {
                config.audit_log = Some(file);
                config.rates.guess = "2/h".parse().unwrap();
            }
        })
        .start()
        .await;
    let made = world.agent.tokens().add(Spec { rate: Some("1/h".parse().unwrap()), ..Spec::default() }).unwrap();
    within("the new token", world.agent.tokens().is_applied(made.generation)).await;
    let token = made.token.unwrap().reveal().to_owned();
    let mut answers = Vec::new();
    for token in [None, Some(&*token), Some(&token), Some("wrong-wrong-wrong"), Some("wrong-wrong-wrong"), Some("w")] {
        let call = world.get("/secret-path?secret=query");
        let call = token.map_or(call.try_clone().unwrap(), |token| call.bearer_auth(token));
        answers.push(call.send().await.unwrap().status().as_u16());
    }
    assert_eq!(answers, [401, 200, 429, 401, 401, 429]);
    let name = world.agent.welcome().name.to_string();
    let secrets = [token, world.token.clone(), "wrong-wrong".to_owned(), "secret".to_owned()];
    let World { relay, agent, .. } = world;
    within("goodbye", agent.shutdown()).await;
    within("the end of the relay", relay.shutdown()).await;

    let text = std::fs::read_to_string(&file).unwrap();
    for secret in &secrets {
        assert!(!text.contains(secret.as_str()), "{text}");
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["time"].is_string()), "{text}");
    let events: Vec<_> = lines
        .iter()
        .map(|line| {
            if line.get("name").is_some() {
                assert_eq!(line["name"], name.as_str(), "{line}");
            }
            let detail = ["code", "limit", "reason", "tokens"].iter().find_map(|key| line.get(key));
            format!("{} {}", line["event"].as_str().unwrap(), detail.unwrap())
        })
        .collect();
    assert_eq!(
        events,
        [
            r#"tunnel_opened 1"#,
            r#"token_set 2"#,
            r#"auth_failed "missing_token""#,
            r#"rate_limited "token""#,
            r#"auth_failed "invalid_token""#,
            r#"auth_failed "invalid_token""#,
            r#"rate_limited "guesses""#,
            r#"tunnel_closed "goodbye""#,
        ],
        "{text}"
    );
}

#[tokio::test]
async fn what_a_caller_repeats_is_gathered_and_told_at_the_end_at_the_latest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let path = file.clone();
    let change = move |config: &mut gantz_relay::Config| {
        config.audit_log = Some(path);
        config.rates.missing_token = "20/h".parse().unwrap();
        config.rates.guess = "6/h".parse().unwrap();
    };
    let world = relay().server(echo()).relay_config(change).start().await;
    let callers = [world.http1(), world.client()];
    for (count, token) in [(30, None), (16, Some("wrong-wrong-wrong"))] {
        for number in 0..count {
            let call = callers[number % 2].get(&world.url);
            let call = token.map_or(call.try_clone().unwrap(), |token| call.bearer_auth(token));
            assert!(call.send().await.unwrap().status().is_client_error());
        }
    }
    let name = world.agent.welcome().name.to_string();
    let lines = lines(world, &file).await;
    let mut told: Vec<(String, u64)> = Vec::new();
    for line in lines.iter().filter(|line| !line["event"].as_str().unwrap().starts_with("tunnel_")) {
        assert_eq!((&line["name"], &line["source"]), (&name.clone().into(), &"127.0.0.1".into()), "{line}");
        let detail = line.get("code").or(line.get("limit")).unwrap().as_str().unwrap();
        for key in ["first", "last"] {
            assert_eq!(line.get(key).is_some(), line.get("count").is_some(), "{line}");
        }
        told.push((detail.to_owned(), line.get("count").map_or(1, |count| count.as_u64().unwrap())));
    }
    // Wrong tokens are a line each, as many as their limit lets through.
    let wrong = told.iter().filter(|(detail, _)| detail == "invalid_token");
    assert_eq!(wrong.clone().count(), 6, "{told:?}");
    assert!(wrong.clone().all(|(_, count)| *count == 1));
    for (detail, first_and_rest) in [("missing_token", [1, 19]), ("missing_tokens", [1, 9]), ("guesses", [1, 9])] {
        let counts: Vec<_> = told.iter().filter(|(known, _)| known == detail).map(|(_, count)| *count).collect();
        assert_eq!(counts, first_and_rest, "{detail}: {told:?}");
    }
}

/// An agent that says its tokens again and again: its tunnel is closed, and the log has a bounded number of lines of it.
#[tokio::test]
async fn agents_that_change_their_tokens_in_a_loop_wait_and_wash_nothing_away() {
    const BURST: u64 = 1_000;
    const MORE: u64 = 40;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let path = file.clone();
    let relay = relay().relay_config(move |config| config.audit_log = Some(path)).start_relay();
    let begun = Instant::now();
    // The second one is another connection of the same source.
    for changes in [BURST / 2, BURST / 2 + MORE] {
        let mut agent = raw_agent::open(&relay, hello()).await.unwrap();
        let flood = async {
            for generation in 0..changes {
                agent.sender.send(&FromAgent::SetTokens { generation, tokens: Vec::new() }).await.unwrap();
                let answer = agent.receiver.receive::<FromRelay>().await.unwrap();
                assert!(matches!(answer, Some(FromRelay::TokensApplied { .. })), "{answer:?}");
            }
        };
        within("all changes", flood).await;
    }
    // 20 a second: the last of them had to wait that long, whatever the first took.
    assert!(begun.elapsed() >= Duration::from_secs(MORE / 20), "{:?}", begun.elapsed());
    within("the end of the relay", relay.shutdown()).await;
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let changes: Vec<_> = lines.iter().filter(|line| line["event"] == "token_set").collect();
    assert!(changes.len() < 100, "{} lines", changes.len());
    let all: u64 = changes.iter().map(|line| line["count"].as_u64().unwrap_or(1)).sum();
    assert_eq!(all, BURST + MORE);
    assert_eq!(lines.iter().filter(|line| line["event"] == "tunnel_opened").count(), 2);
}
