//! Settings that contradict each other: flag before environment before `./gantz.yaml` before the user's file, and two of
//! one layer are an error that names both.

use axum::Router;
use axum::routing::any;
use gantz_tests::Origin;

use crate::process::Cli;
use crate::screens::assert_screen;
use crate::{RelayProcess, gantz};

const USERS: &str = "config/gantz/config.yaml";
const LOCAL: &str = "127.0.0.1:0";
const TOKEN: &str = "a-token-of-ones-own-that-is-long";

/// What two of one layer are answered.
async fn both(cli: Cli) -> String {
    let ended = cli.end().await;
    assert_eq!(ended.code(), Some(2), "{ended}");
    assert!(!ended.to_string().contains(TOKEN), "{ended}");
    ended.to_string()
}

/// The first line on stdout that a run prints which has `marker`.
async fn line(cli: Cli, marker: &str) -> String {
    cli.start().stdout.line(marker).await
}

#[tokio::test]
async fn two_flags_two_variables_and_two_keys_are_named() {
    let mut screens = Vec::new();
    for (flags, variables, keys) in [
        ("--demo 8090", ["DEMO=1", "TARGET=8090"], "demo: true\ntarget: \"8090\""),
        (
            "--relay a.test --local-listen 127.0.0.1:0",
            ["RELAY=a.test", "LOCAL_LISTEN=127.0.0.1:0"],
            "relay: a.test\nlocal_listen: 127.0.0.1:0",
        ),
        ("--json --print-config curl", ["JSON=yes", "PRINT_CONFIG=curl"], "json: true\nprint_config: curl"),
        (
            "--auth=none --token a-token-of-ones-own-that-is-long",
            ["AUTH=none", "TOKEN=a-token-of-ones-own-that-is-long"],
            "auth: none\ntoken: a-token-of-ones-own-that-is-long",
        ),
        (
            "--log-arguments --call-log none",
            ["LOG_ARGUMENTS=1", "CALL_LOG=none"],
            "log_arguments: true\ncall_log: none",
        ),
    ] {
        screens.push(both(gantz(&format!("run {flags}"))).await);
        let by_variables = variables.iter().fold(gantz("run"), |cli, variable| {
            let (name, value) = variable.split_once('=').unwrap();
            cli.env(&format!("GANTZ_{name}"), value)
        });
        screens.push(both(by_variables).await);
        screens.push(both(gantz("run").file("gantz.yaml", keys)).await);
        // Their path differs from run to run.
        let by_user = both(gantz("run").file(USERS, keys)).await;
        assert!(by_user.contains("contradict") && by_user.contains("gantz/config.yaml"), "{by_user}");
    }
    assert_screen!("contradictions", screens.join("\n\n"));
}

#[tokio::test]
async fn demo_and_target_the_layer_that_is_heard_first_wins() {
    // Whoever is asked is told apart by its path.
    let server = Origin::axum(Router::new().route("/only/here", any(async || "mine")));
    let mine = format!("http://{}/only/here", server.address());
    let run = |args: &str| gantz(&format!("run --auth --local-listen {LOCAL} {args}"));
    let key = format!("target: {mine}");
    for demo in [
        run("--demo").env("GANTZ_TARGET", &mine),
        run("--demo").file("gantz.yaml", &key),
        run("").env("GANTZ_DEMO", "1").file("gantz.yaml", &key),
        run("").file("gantz.yaml", "demo: true").file(USERS, &key),
    ] {
        assert!(line(demo, "Tunnel URL:").await.ends_with("/mcp"));
    }
    for target in [
        run(&mine).env("GANTZ_DEMO", "1"),
        run(&mine).file("gantz.yaml", "demo: true"),
        run("").env("GANTZ_TARGET", &mine).file("gantz.yaml", "demo: true"),
        run("").file("gantz.yaml", &key).file(USERS, "demo: true"),
        // A no contradicts nothing.
        run("").env("GANTZ_TARGET", &mine).env("GANTZ_DEMO", "no"),
        run("").env("GANTZ_DEMO", "no").file("gantz.yaml", &format!("demo: true\n{key}")),
    ] {
        assert!(line(target, "Tunnel URL:").await.ends_with("/only/here"));
    }
}

#[tokio::test]
async fn a_relay_and_one_inside_the_layer_that_is_heard_first_wins() {
    let relay = RelayProcess::start().await;
    let (there, ca) = (format!("127.0.0.1:{}", relay.port), relay.ca().display().to_string());
    let run = |args: &str| gantz(&format!("run --auth --demo {args}")).env("GANTZ_RELAY_CA", &ca);
    for inside in [
        run(&format!("--local-listen {LOCAL}")).env("GANTZ_RELAY", &there),
        run("").env("GANTZ_LOCAL_LISTEN", LOCAL).file("gantz.yaml", &format!("relay: {there}")),
    ] {
        assert!(line(inside, "Tunnel URL:").await.contains("//localhost:"));
    }
    for elsewhere in [
        run(&format!("--relay {there}")).env("GANTZ_LOCAL_LISTEN", LOCAL),
        run("").env("GANTZ_RELAY", &there).file("gantz.yaml", &format!("local_listen: {LOCAL}")),
    ] {
        assert!(line(elsewhere, "Tunnel URL:").await.contains(".relay.test:"));
    }
}

#[tokio::test]
async fn json_and_a_configuration_to_paste_the_layer_that_is_heard_first_wins() {
    let run = |args: &str| gantz(&format!("run --auth --demo --local-listen {LOCAL} {args}"));
    line(run("--json").env("GANTZ_PRINT_CONFIG", "curl"), r#""event":"ready""#).await;
    line(run("--print-config curl").env("GANTZ_JSON", "1"), "curl -sS").await;
    line(run("").env("GANTZ_PRINT_CONFIG", "curl").file("gantz.yaml", "json: true"), "curl -sS").await;
}

#[tokio::test]
async fn a_token_and_an_open_tunnel_the_layer_that_is_heard_first_wins() {
    let run = |args: &str| gantz(&format!("run --demo --local-listen {LOCAL} --json {args}"));
    let open = line(run("--auth=none").env("GANTZ_TOKEN", TOKEN), "ready").await;
    assert!(open.contains(r#""token":null"#), "{open}");
    // A token that is asked for is asked of callers.
    for guarded in [
        run("--token").arg(TOKEN).env("GANTZ_AUTH", "none"),
        run("").env("GANTZ_TOKEN", TOKEN).file("gantz.yaml", "auth: none"),
    ] {
        assert!(line(guarded, "ready").await.contains(TOKEN));
    }
}
