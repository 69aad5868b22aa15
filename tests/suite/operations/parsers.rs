//! Real parsers read what the relay tells: Prometheus' own linter, and the one of OpenMetrics.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use gantz_tests::{echo, relay, within};
use tokio::sync::OnceCell;

use crate::python::{python, source};
use crate::scrape::{OPENMETRICS, scrape, scrape_as};

/// A relay that has something to tell.
async fn world() -> gantz_tests::World {
    let world = relay().server(echo()).start().await;
    let call = world.post("/").bearer_auth(&world.token).body("some bytes");
    within("an answer", call.send()).await.unwrap().bytes().await.unwrap();
    within("a refusal", world.get("/").send()).await.unwrap();
    world
}

/// What `program` says of `text` on its standard input, which has to please it.
async fn read(program: &Path, args: Vec<String>, text: String) -> String {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let reading = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        (child.wait_with_output().unwrap(), text)
    });
    let (output, text) = within("a verdict", reading).await.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{text}");
    said
}

#[tokio::test]
async fn promtool_takes_the_text_format_and_has_nothing_to_say_of_it() {
    installed().await;
    let world = world().await;
    let told = scrape(&world.relay).await;
    let said = read(Path::new("promtool"), vec!["check".into(), "metrics".into()], told.text).await;
    assert_eq!(said, "", "its linter is silent");
}

#[tokio::test]
async fn the_parser_of_openmetrics_takes_the_other() {
    let world = world().await;
    let told = scrape_as(&world.relay, OPENMETRICS).await;
    let script = source("parse_openmetrics.py").to_str().unwrap().to_owned();
    let said = read(python().await, vec![script], told.text.clone()).await;
    // It has found as many samples as were told.
    assert_eq!(said.trim(), told.series.len().to_string());
    let other = scrape(&world.relay).await;
    let names = |scrape: crate::scrape::Scrape| scrape.series.into_keys().collect::<Vec<_>>();
    assert_eq!(names(told), names(other), "both forms tell the same series");
}

/// Installs Prometheus' tools where they are missing; by one test only, as apt takes one at a time.
async fn installed() {
    static DONE: OnceCell<()> = OnceCell::const_new();
    DONE.get_or_init(|| async { tokio::task::spawn_blocking(install).await.unwrap() }).await;
}

fn install() {
    let is_there = || {
        let run = Command::new("promtool").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    };
    if is_there() {
        return;
    }
    let mut apt = Command::new("sh");
    // RUNLEVEL=1: its daemon is not started.
    apt.args(["-c", "apt-get update && RUNLEVEL=1 apt-get install -y --no-install-recommends prometheus"]);
    let installed = apt.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).output();
    let why = match installed {
        Ok(output) if output.status.success() && is_there() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    panic!("no promtool: run `apt-get update && apt-get install -y prometheus` as root, then this test again\n{why}");
}
