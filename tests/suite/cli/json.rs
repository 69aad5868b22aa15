//! `--json`: one object a line on stdout, and nothing else there.

use gantz_tests::{echo, within};
use serde_json::Value;

use crate::RelayProcess;
use crate::process::Running;
use crate::screens::assert_screen;

async fn event(running: &mut Running, name: &str) -> Value {
    let line = running.stdout.line(&format!(r#""event":"{name}""#)).await;
    serde_json::from_str(&line).unwrap()
}

#[tokio::test]
async fn ready_request_reconnecting_reconnected_stopped() {
    let relay = RelayProcess::start().await;
    let server = echo();
    let mut running = relay.run(&format!("{} --auth --json --log-requests", server.address())).start();

    let ready = event(&mut running, "ready").await;
    let [url, token, name] = ["url", "token", "name"].map(|key| ready[key].as_str().unwrap().to_owned());
    assert_eq!(url, format!("http://{name}.relay.test:{}/mcp", relay.port));
    assert!(token.starts_with("gtz_") && token.len() == 47, "{ready}");
    let expires_at: jiff::Timestamp = ready["expires_at"].as_str().unwrap().parse().unwrap();
    let hours = expires_at.duration_since(jiff::Timestamp::now()).as_hours();
    assert!((23..=24).contains(&hours), "{ready}");

    let call = || relay_call(&url, &token);
    assert_eq!(call().await, 200);
    let request = event(&mut running, "request").await;
    assert_eq!(
        (&request["method"], &request["path"], &request["status"]),
        (&"GET".into(), &"/mcp".into(), &200.into())
    );

    let (port, folder) = relay.stop().await;
    event(&mut running, "reconnecting").await;
    let _relay = RelayProcess::start_again(port, folder).await;
    let reconnected = event(&mut running, "reconnected").await;
    assert_eq!(reconnected["name"].as_str(), Some(&*name));
    assert_eq!(reconnected["url"].as_str(), Some(&*url), "the same as when it was ready");
    assert_eq!(call().await, 200);

    running.signal("TERM").await;
    let ended = running.end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.stdout.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{ended}");
    assert!(!ended.stderr.contains(&token), "{ended}");
    let stdout = ended.stdout.lines().map(without_durations).collect::<Vec<_>>().join("\n");
    assert_screen!("json", stdout);
}

/// The status of a call, its secret only in the query, which is not logged.
async fn relay_call(url: &str, token: &str) -> u16 {
    let call = crate::relay_process::get(&format!("{url}?canary")).bearer_auth(token).send();
    within("an answer", call).await.unwrap().status().as_u16()
}

fn without_durations(line: &str) -> String {
    let mut object: Value = serde_json::from_str(line).unwrap();
    if let Some(duration) = object.get_mut("duration_ms") {
        assert!(duration.is_u64(), "{line}");
        *duration = 0.into();
    }
    object.to_string()
}

#[tokio::test]
async fn in_words_reconnecting_is_told_and_the_url_stays() {
    let relay = RelayProcess::start().await;
    let server = echo();
    let mut running = relay.run(&format!("{} --auth --log-requests", server.address())).start();
    let url = running.stdout.line("Tunnel URL:").await.replace("Tunnel URL:", "").trim().to_owned();
    let (port, folder) = relay.stop().await;
    running.stderr.line("reconnecting").await;
    let _relay = RelayProcess::start_again(port, folder).await;
    let line = running.stderr.line("reconnected").await;
    assert_eq!(line.trim(), format!("reconnected: {url}"));
    let token = running.stdout.line("Auth Token:").await.replace("Auth Token:", "");
    assert_eq!(relay_call(&url, token.trim()).await, 200);
    running.stderr.line("GET /mcp 200").await;
    running.signal("INT").await;
    let ended = running.end().await;
    assert!(!ended.stderr.contains("canary"), "{ended}");
    assert_screen!("reconnecting", ended.stderr);
}
