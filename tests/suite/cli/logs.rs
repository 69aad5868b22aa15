//! What is logged: by `-v`, by its variable, by a filter, and by a file.

use crate::process::Cli;
use crate::screens::assert_screen;
use crate::{gantz, gantz_relay};

fn relay() -> Cli {
    gantz_relay("serve --domain relay.test --tls off --access open --state-dir state")
        .arg("--listen=127.0.0.1:0")
        .arg("--admin-listen=127.0.0.1:0")
}

fn agent() -> Cli {
    gantz("run --auth --demo --local-listen 127.0.0.1:0")
}

#[tokio::test]
async fn a_filter_that_is_none_is_refused_and_named() {
    let mut screens = Vec::new();
    for (cli, variable) in [(agent as fn() -> Cli, "GANTZ_LOG"), (relay, "GANTZ_RELAY_LOG")] {
        for filter in ["gantz=loud", "inof"] {
            let ended = cli().env(variable, filter).end().await;
            assert_eq!(ended.code(), Some(2), "{ended}");
            screens.push(format!("$ {variable}={filter}\n{ended}"));
        }
    }
    assert_screen!("bad_filter", screens.join("\n\n"));
}

#[tokio::test]
async fn a_verbosity_that_is_none_is_refused_and_named() {
    let mut screens = Vec::new();
    for (cli, variable) in [(agent as fn() -> Cli, "GANTZ_VERBOSE"), (relay, "GANTZ_RELAY_VERBOSE")] {
        for level in ["loud", "9"] {
            let ended = cli().env(variable, level).end().await;
            assert_eq!(ended.code(), Some(2), "{ended}");
            screens.push(format!("$ {variable}={level}\n{ended}"));
        }
    }
    let ended = agent().file("gantz.yaml", "verbose: 9").end().await;
    assert_eq!(ended.code(), Some(2), "{ended}");
    screens.push(format!("verbose: 9\n{ended}"));
    assert_screen!("bad_verbosity", screens.join("\n\n"));
}

/// What a run has logged when it is over.
async fn logged(cli: Cli) -> String {
    let mut running = cli.start();
    running.stdout.line("try it:").await;
    running.signal("INT").await;
    running.end().await.stderr
}

#[tokio::test]
async fn the_first_that_says_how_much_is_heard() {
    // The first is logged from `-v` on, the second from `-vv` on.
    let [info, debug] = ["INFO gantz_relay", "DEBUG hyper_util"];
    for (cli, expected) in [
        (agent(), [false, false]),
        (agent().arg("-v"), [true, false]),
        (agent().env("GANTZ_VERBOSE", "1"), [true, false]),
        (agent().env("GANTZ_VERBOSE", "2"), [true, true]),
        (agent().arg("-vvv").env("GANTZ_VERBOSE", "0"), [true, true]),
        (agent().env("GANTZ_VERBOSE", "0").file("gantz.yaml", "verbose: 2"), [false, false]),
        (agent().file("gantz.yaml", "verbose: 1"), [true, false]),
        (agent().env("GANTZ_LOG", "off").arg("-vv"), [false, false]),
        (agent().env("GANTZ_LOG", "gantz_relay=info"), [true, false]),
    ] {
        let log = logged(cli).await;
        assert_eq!([log.contains(info), log.contains(debug)], expected, "{log}");
    }
}

#[tokio::test]
async fn a_relays_variable_says_how_much() {
    for (verbose, expected) in [("0", false), ("2", true)] {
        let mut running = relay().env("GANTZ_RELAY_VERBOSE", verbose).start();
        let line = running.stderr.line("relay serves").await;
        let (_, rest) = line.split_once("public=").unwrap();
        let asked = format!("http://{}/mcp", rest.split_whitespace().next().unwrap());
        crate::relay_process::get(&asked).header("host", "nobody.relay.test").send().await.unwrap();
        running.signal("TERM").await;
        let ended = running.end().await;
        assert_eq!(ended.stderr.contains("DEBUG"), expected, "{ended}");
    }
}

#[tokio::test]
async fn the_format_may_come_from_a_file() {
    let log = logged(agent().file("gantz.yaml", "log_format: json\nverbose: 1")).await;
    let line = log.lines().find(|line| line.contains("tunnel opened")).unwrap_or_else(|| panic!("{log}"));
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["fields"]["message"], "tunnel opened");
}
