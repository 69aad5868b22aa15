//! Nothing configured: `gantz run --auth --demo`, as a terminal shows it and as a script reads it.

use tokio::process::Command;

use crate::gantz;
use crate::screens::assert_screen;

const DEMO: &str = "run --demo --local-listen 127.0.0.1:0";

#[tokio::test]
async fn the_screen_and_its_try_it_line() {
    // Both streams into one pipe: a terminal shows them in this order.
    let mut running = gantz(DEMO).arg("--auth").script(r#"exec "$@" 2>&1"#).start();
    let line = running.stdout.line("try it:").await;
    let (_, command) = line.split_once("try it:").unwrap();

    let tried = Command::new("bash").args(["-c", command.trim()]).output().await.unwrap();
    let answer = String::from_utf8(tried.stdout).unwrap();
    assert!(tried.status.success(), "{answer}");
    let (_, data) = answer.split_once('{').unwrap_or_else(|| panic!("no JSON in {answer:?}"));
    let json: serde_json::Value = serde_json::Deserializer::from_str(&format!("{{{data}"))
        .into_iter()
        .next()
        .unwrap_or_else(|| panic!("no JSON in {answer:?}"))
        .unwrap();
    let text = json["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no tool's result: {answer}"));
    assert!(text.starts_with("20"), "`now` answers with the time: {text}");

    running.signal("INT").await;
    let ended = running.end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_screen!("first_minute", ended.stdout);
    assert_like_readme(&ended.stdout);
}

/// The README shows the screen line by line, from its beginning; `…` stands for the rest of a word, or of the line.
fn assert_like_readme(screen: &str) {
    let (_, after) = include_str!("../../../README.md").split_once("and prints:\n\n```\n").expect("the first minute");
    let shown: Vec<_> = after.split_once("```").unwrap().0.lines().collect();
    assert!(shown.last().unwrap().contains("try it:"), "all that is printed until then: {shown:?}");
    // The one that the screen shows is free.
    let (_, port) = screen.split_once("http://localhost:").expect("a URL");
    let screen = screen.replace(port.split_once('/').unwrap().0, "8080");
    for (line, shown) in screen.lines().zip(shown) {
        let mut rest = line;
        for part in shown.split_inclusive('…') {
            let known = part.trim_end_matches('…');
            let at = rest.find(known).filter(|at| *at == 0 || part != shown);
            let at = at.unwrap_or_else(|| panic!("{line:?} is not {shown:?}"));
            rest = &rest[at + known.len()..];
        }
    }
}

#[tokio::test]
async fn stdout_has_url_and_token_and_stderr_has_no_token() {
    let mut running = gantz(DEMO).arg("--auth").start();
    running.stdout.line("try it:").await;
    running.signal("TERM").await;
    let ended = running.end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(!ended.stderr.contains("gtz_"), "{ended}");
    assert_screen!("first_minute_streams", ended);
}

#[tokio::test]
async fn a_tunnel_that_is_open_on_purpose_warns() {
    let mut running = gantz(DEMO).arg("--auth=none").script(r#"exec "$@" 2>&1"#).start();
    let line = running.stdout.line("try it:").await;
    let (_, command) = line.split_once("try it:").unwrap();
    let tried = Command::new("bash").args(["-c", command.trim()]).output().await.unwrap();
    assert!(String::from_utf8(tried.stdout).unwrap().contains("\"result\""));
    running.signal("INT").await;
    assert_screen!("auth_none", running.end().await.stdout);
}

#[tokio::test]
async fn a_token_that_never_expires_and_one_of_three_days_say_so() {
    for (ttl, expected) in
        [("0", "Expires:     never"), ("3d", "Expires:     in 3 days"), ("90s", "Expires:     in 90 s")]
    {
        let mut running = gantz(DEMO).arg("--auth").arg("--token-ttl").arg(ttl).start();
        let line = running.stderr.line("Expires:").await;
        assert!(line.trim_start().starts_with(expected), "{line}");
    }
}
