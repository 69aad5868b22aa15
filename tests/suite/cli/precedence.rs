//! Flag, environment, `./gantz.yaml`, the user's file, default: the first that says something is heard.

use gantz_tests::echo;

use crate::process::Cli;
use crate::{RelayProcess, gantz};

const USERS: &str = "config/gantz/config.yaml";

fn run(args: &str) -> Cli {
    gantz(&format!("run {args}"))
}

/// The value of `key` that was heard: `bad` values, each of which is refused with its own words.
async fn heard(cli: Cli) -> String {
    let ended = cli.end().await;
    assert_eq!(ended.code(), Some(2), "{ended}");
    ended.stderr
}

#[tokio::test]
async fn a_name_is_heard_from_the_first_that_says_one() {
    // Every one of them is refused, and the refusal says which it was.
    let all = |args| run(args).file("gantz.yaml", "name: of_project").file(USERS, "name: of_user\nauth: token\n");
    assert!(heard(all("8090 --name of_flag").env("GANTZ_NAME", "of_env")).await.contains("`of_flag`"));
    assert!(heard(all("8090").env("GANTZ_NAME", "of_env")).await.contains("`of_env`"));
    assert!(heard(all("8090")).await.contains("`of_project`"));
    assert!(heard(run("8090").file(USERS, "name: of_user\nauth: token\n")).await.contains("`of_user`"));
    assert!(heard(run("8090").file(USERS, "name: of_user\n")).await.contains("who may call"));
}

#[tokio::test]
async fn a_variable_that_is_empty_says_nothing() {
    let cli = run("8090 --auth").env("GANTZ_NAME", "").env("GANTZ_RELAY", "").env("GANTZ_TOKEN_TTL", "");
    assert!(heard(cli.file("gantz.yaml", "name: of_project")).await.contains("`of_project`"));
}

#[tokio::test]
async fn a_switch_is_heard_in_the_same_order() {
    let (relay, server) = (RelayProcess::start().await, echo());
    let target = server.address().to_string();
    for (flag, env, file, is_logged) in [
        ("--log-requests", "false", "false", true),
        ("", "1", "false", true),
        ("", "no", "true", false),
        ("", "", "true", true),
        ("", "", "false", false),
    ] {
        let mut running = relay
            .run(&format!("{target} --auth=none --name=tools {flag}"))
            .env("GANTZ_LOG_REQUESTS", env)
            .file("gantz.yaml", &format!("log_requests: {file}"))
            .start();
        running.stdout.line("Tunnel URL:").await;
        assert_eq!(relay.get("tools", "/mcp").send().await.unwrap().status(), 200);
        running.signal("INT").await;
        let ended = running.end().await;
        assert_eq!(ended.stderr.contains("GET /mcp 200"), is_logged, "{flag} {env} {file}: {ended}");
    }
}

#[tokio::test]
async fn everything_can_come_from_files_and_environment() {
    let (relay, server) = (RelayProcess::start().await, echo());
    let project = format!("target: \"{}\"\nauth: token\nname: tools\ntoken_ttl: 0\n", server.address());
    let users = format!("relay: 127.0.0.1:{}\nrelay_ca: {}\n", relay.port, relay.ca().display());
    let token = "a-token-of-ones-own-from-the-environment";
    let mut running = run("")
        .file("gantz.yaml", &project)
        .file(USERS, &users)
        .env("GANTZ_TOKEN", token)
        .env("GANTZ_JSON", "1")
        .start();
    let ready = running.stdout.line("ready").await;
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(ready["token"], token);
    assert_eq!(ready["name"], "tools");
    assert_eq!(ready["expires_at"], serde_json::Value::Null);
    let answer = relay.get("tools", "/mcp").bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_run_without_arguments_can_say_everything_in_a_file() {
    let file = "auth: none\ndemo: true\njson: true\nlog_requests: true\nlocal_listen: 127.0.0.1:0\n";
    let mut running = run("").file("gantz.yaml", file).start();
    let ready = running.stdout.line("ready").await;
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let url = ready["url"].as_str().unwrap();
    assert!(url.starts_with("http://localhost:") && url.ends_with("/mcp"), "{url}");
    crate::relay_process::get(url).send().await.unwrap();
    running.stdout.line(r#""event":"request""#).await;

    let mut running = run("").file("gantz.yaml", &file.replace("json: true", "print_config: claude-code")).start();
    running.stdout.line("claude mcp add").await;
}

#[tokio::test]
async fn switches_of_a_file_can_be_switched_off() {
    let file = "auth: none\ndemo: true\njson: true\nlocal_listen: 127.0.0.1:0\n";
    let mut running = run("").file("gantz.yaml", file).env("GANTZ_JSON", "false").start();
    running.stdout.line("Tunnel URL:").await;
    assert!(heard(run("").file("gantz.yaml", file).env("GANTZ_DEMO", "0")).await.contains("no local server"));
}

#[tokio::test]
async fn a_relative_ca_is_looked_for_where_the_file_is() {
    let (relay, server) = (RelayProcess::start().await, echo());
    let ca = std::fs::read_to_string(relay.ca()).unwrap();
    let file = format!("relay: 127.0.0.1:{}\nrelay_ca: certificates/ca.pem\n", relay.port);
    for (path, beside) in [("gantz.yaml", "certificates/ca.pem"), (USERS, "config/gantz/certificates/ca.pem")] {
        let mut running = run(&format!("--auth {}", server.address())).file(path, &file).file(beside, &ca).start();
        running.stdout.line("Tunnel URL:").await;
    }
    // A flag and a variable mean where they are typed.
    let cli = run(&format!("--auth {} --relay-ca certificates/ca.pem", server.address())).file(USERS, &file);
    assert!(heard(cli.file("config/gantz/certificates/ca.pem", &ca)).await.contains("--relay-ca certificates/ca.pem"));
}

#[tokio::test]
async fn a_relay_in_a_file_gives_way_to_a_relay_inside() {
    let server = echo();
    let mut running = run(&format!("--auth --local-listen 127.0.0.1:0 {}", server.address()))
        .file("gantz.yaml", "relay: relay.invalid")
        .start();
    assert!(running.stdout.line("Tunnel URL:").await.contains("http://localhost:"));
}
