//! `--print-config`: what is pasted into clients, for a server on `/mcp`, one on `/sse`, and an open tunnel.

use axum::Router;
use axum::routing::get;
use gantz_tests::{Origin, echo};
use tokio::process::Command;

use crate::process::Folder;
use crate::screens::assert_screen;
use crate::{RelayProcess, gantz};

const CLIENTS: [&str; 6] = ["anthropic", "openai", "claude-code", "cursor", "vscode", "curl"];

/// What the six say, one below the other, without the lines before.
async fn snippets(target: &str) -> String {
    let relay = RelayProcess::start().await;
    let mut all = Vec::new();
    for client in CLIENTS {
        let mut running = relay.run(&format!("{target} --name=tools --print-config {client}")).start();
        running.stderr.line(if target.ends_with("none") { "Auth:" } else { "Expires:" }).await;
        running.signal("INT").await;
        let ended = running.end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        let snippet =
            ended.stdout.lines().filter(|line| !line.contains("Tunnel URL:") && !line.contains("Auth Token:"));
        let snippet = snippet.collect::<Vec<_>>().join("\n");
        if snippet.starts_with('{') {
            serde_json::from_str::<serde_json::Value>(&snippet).unwrap();
        }
        all.push(format!("[{client}]\n{snippet}"));
    }
    all.join("\n")
}

#[tokio::test]
async fn of_a_server_on_mcp() {
    let server = echo();
    assert_screen!("snippets_mcp", snippets(&format!("{} --auth", server.address())).await);
}

#[tokio::test]
async fn of_a_server_on_sse_without_a_token() {
    let events = get(async || ([("content-type", "text/event-stream")], "event: endpoint\ndata: /m\n\n"));
    let server = Origin::axum(Router::new().route("/sse", events));
    assert_screen!("snippets_sse_open", snippets(&format!("{} --auth=none", server.address())).await);
}

#[tokio::test]
async fn the_curl_command_is_one_that_a_shell_runs() {
    // A query, which a shell would take apart.
    let server = echo();
    let target = format!(
        "run --auth=none --local-listen 127.0.0.1:0 --print-config curl http://{}/mcp?a=1&b=$HOME",
        server.address()
    );
    let mut running = gantz(&target).start();
    let command = running.stdout.line("curl -sS").await;
    let ran = Command::new("bash").args(["-c", &command]).output().await.unwrap();
    assert!(String::from_utf8(ran.stdout).unwrap().contains(r#""method":"initialize""#), "{command}");
    assert_eq!(server.last().path, "/mcp?a=1&b=$HOME");
}

/// What a client is told to call the server, in a run in a folder of this one.
async fn label(folder: &Folder, run: &str) -> String {
    let command = format!("run --auth --local-listen 127.0.0.1:0 --print-config claude-code {run}");
    let project = r#"mkdir -p 'Weather Tools' && cd 'Weather Tools' && exec "$@""#;
    let mut running = gantz(&command).within(folder).script(project).start();
    let line = running.stdout.line("claude mcp add").await;
    running.signal("INT").await;
    assert_eq!(running.end().await.code(), Some(0));
    line.split_whitespace().nth(5).unwrap().to_owned()
}

/// What is pasted a second time takes the place of the first.
#[tokio::test]
async fn the_label_is_the_same_run_after_run() {
    let server = echo();
    let target = server.address().to_string();
    let folder = Folder::new();
    for _ in 0..2 {
        assert_eq!(label(&folder, "--demo").await, "demo");
        assert_eq!(label(&folder, &target).await, "weather-tools");
        assert_eq!(label(&folder, &format!("{target} --name=mine")).await, "mine");
    }
}
