//! gantz's own rows: the real binaries, as an operator and a developer start them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gantz_tests::binaries;
use http::Uri;
use serde_json::Value;
use tokio::process::Command;

use crate::process::{Announces, Process};
use crate::rows::{Row, Target};

const DOMAIN: &str = "bench.test";

/// The binaries that are measured.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    gantz: PathBuf,
    relay: PathBuf,
}

impl Binaries {
    /// Those in `folder`; without one, those of the checkout, which are built first.
    pub(crate) fn of(folder: Option<&Path>) -> Self {
        match folder.map(|folder| folder.canonicalize().unwrap()) {
            Some(folder) => Self { gantz: folder.join("gantz"), relay: folder.join("gantz-relay") },
            None => Self { gantz: binaries::gantz(), relay: binaries::gantz_relay() },
        }
    }
}

/// A relay with `--tls tls`, an agent for `origin`, and a token. Both keep what they keep in `folder`.
pub(crate) async fn start(
    name: &'static str,
    tls: &str,
    binaries: &Binaries,
    origin: SocketAddr,
    folder: &Path,
) -> Row {
    let state = folder.join(name.replace(' ', "-"));
    std::fs::create_dir_all(&state).unwrap();
    let ca = state.join("ca.pem");

    let mut command = command(&binaries.relay, folder);
    command.args(["serve", "--access", "open", "--max-body", "0", "--log-format", "json", "--tls", tls]);
    command.args(["--domain", DOMAIN, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    // The limits stay in force; the numbers are beyond what this load can reach.
    command.args(["--token-rate", "10000000/s", "--tunnel-rate", "10000000/s"]);
    command.arg("--state-dir").arg(&state);
    let (relay, (public, agents)) = Process::start("gantz-relay", &mut command, Announces::Stderr, serves).await;

    let mut command = self::command(&binaries.gantz, folder);
    command.args(["run", "--auth", "--json", &origin.to_string()]);
    command.args(["--relay", &agents.to_string()]).arg("--relay-ca").arg(&ca);
    let (agent, (url, token)) = Process::start("gantz", &mut command, Announces::Stdout, ready).await;

    let target = Target {
        address: public,
        authority: url.authority().expect("a URL with a host").to_string(),
        token: Some(token),
        ca: (url.scheme_str() == Some("https")).then_some(ca),
    };
    Row { name, target, relay: Some(relay), agent: Some(agent) }
}

/// Nothing of this machine's user has a say: no variable, no file.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", folder).current_dir(folder);
    command
}

/// The public's and the agents' address.
fn serves(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields")?;
    let address = |name: &str| fields.get(name)?.as_str()?.parse().ok();
    Some((address("public")?, address("agents")?))
}

fn ready(line: &str) -> Option<(Uri, String)> {
    let event: Value = serde_json::from_str(line).ok()?;
    if event["event"] != "ready" {
        return None;
    }
    Some((event["url"].as_str()?.parse().ok()?, event["token"].as_str()?.to_owned()))
}
