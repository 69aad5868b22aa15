//! A real browser: a page of this machine calls through the tunnel and reads the answer, a page of another origin
//! cannot.

use std::process::Stdio;

use axum::extract::State;
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router};
use gantz_tests::{Origin, World, relay, within};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Where Debian and others put it.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

async fn is_there(name: &str) -> bool {
    let version = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.await.is_ok_and(|status| status.success())
}

/// The browser, installed first when it is missing; by one test only, as apt takes one at a time.
async fn chromium() -> &'static str {
    static FOUND: tokio::sync::OnceCell<&str> = tokio::sync::OnceCell::const_new();
    FOUND.get_or_init(find_or_install).await
}

async fn find_or_install() -> &'static str {
    for name in NAMES {
        if is_there(name).await {
            return name;
        }
    }
    let mut apt = Command::new("sh");
    apt.args(["-c", "apt-get update && apt-get install -y --no-install-recommends chromium"]);
    let installed = apt.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).output().await;
    let why = match installed {
        Ok(output) if output.status.success() && is_there(NAMES[0]).await => return NAMES[0],
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    panic!("no browser: run `apt-get update && apt-get install -y chromium` as root, then this test again\n{why}");
}

/// What the page does: a call with a token, one without, and a report of what it could read.
const PAGE: &str = r#"<!doctype html><script>
(async () => {
  const report = {};
  const call = async (name, fields) => {
    try {
      const answer = await fetch("TUNNEL/mcp", {
        method: "POST", headers: {"Content-Type": "application/json", "MCP-Protocol-Version": "2025-11-25", ...fields},
        body: "{}",
      });
      report[name] = {
        status: answer.status, text: await answer.text(), session: answer.headers.get("mcp-session-id"),
        challenge: answer.headers.get("www-authenticate"), secret: answer.headers.get("x-secret"),
      };
    } catch (error) { report[name] = {error: error.name}; }
  };
  await call("with", {Authorization: "Bearer TOKEN"});
  await call("without", {});
  await fetch("/report", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(report)});
})();
</script>"#;

struct Page {
    origin: Origin,
    reports: UnboundedReceiver<serde_json::Value>,
}

impl Page {
    fn new(world: &World) -> Self {
        let (sender, reports) = unbounded_channel();
        let page = PAGE.replace("TUNNEL", &world.url).replace("TOKEN", &world.token);
        let report = async |State(sender): State<UnboundedSender<_>>, Json(report): Json<serde_json::Value>| {
            sender.send(report).unwrap();
        };
        let router =
            Router::new().route("/", get(async move || Html(page))).route("/report", post(report)).with_state(sender);
        Self { origin: Origin::axum(router), reports }
    }

    /// Opens the page under `host` and waits for what it reports.
    async fn open(&mut self, host: &str) -> serde_json::Value {
        let profile = tempfile::tempdir().unwrap();
        let mut browser =
            launch(chromium().await, profile.path(), &format!("http://{host}:{}/", self.origin.address().port()));
        let report = within("the page's report", self.reports.recv()).await.unwrap();
        browser.kill().await.unwrap();
        report
    }
}

fn launch(name: &str, profile: &std::path::Path, url: &str) -> Child {
    Command::new(name)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
        // Names of the test's domain are this machine, and its CA is nobody's.
        .args(["--host-resolver-rules=MAP *.test 127.0.0.1", "--ignore-certificate-errors", "--no-proxy-server"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("--remote-debugging-port=0")
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn world() -> World {
    let fields =
        [("mcp-session-id", "s-1"), ("x-secret", "not exposed"), ("access-control-allow-origin", "https://no.example")];
    let server = Router::new().route("/mcp", post(async move || (fields, "through")));
    relay().server(Origin::axum(server)).start().await
}

#[tokio::test]
async fn a_page_of_this_machine_calls_through_the_tunnel() {
    let world = world().await;
    let report = Page::new(&world).open("localhost").await;
    let expected = serde_json::json!({
        "with": {"status": 200, "text": "through", "session": "s-1", "challenge": null, "secret": null},
        "without": {
            "status": 401, "text": report["without"]["text"], "session": null,
            "challenge": r#"Bearer realm="gantz""#, "secret": null,
        },
    });
    assert_eq!(report, expected);
    assert!(report["without"]["text"].as_str().unwrap().contains("missing_token"));
    let seen = world.server.last().fields;
    assert_eq!(seen["mcp-protocol-version"], "2025-11-25");
    assert!(!seen.contains_key("origin"));
}

#[tokio::test]
async fn a_page_of_another_origin_does_not() {
    let world = world().await;
    let report = Page::new(&world).open("evil.test").await;
    let refused = serde_json::json!({"error": "TypeError"});
    assert_eq!(report, serde_json::json!({"with": refused, "without": refused}));
    assert!(world.server.requests().is_empty());
}
