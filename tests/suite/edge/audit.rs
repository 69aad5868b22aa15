//! The audit log: a line for whoever came or was turned away, and a secret in none of them.

use gantz_agent::tokens::Spec;
use gantz_tests::{echo, relay, within};
use serde_json::Value;

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
                config.rates.guess = "1/h".parse().unwrap();
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
    let gantz_tests::World { relay, agent, .. } = world;
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
