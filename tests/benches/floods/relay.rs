//! What is flooded: a relay with its own certificates and a tunnel to the demo server, the real binaries.

use std::path::Path;

use gantz_tests::binaries;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{Announces, Process};

const DOMAIN: &str = "bench.test";

/// What an attacker and a caller know.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) port: u16,
    pub(crate) host: String,
    pub(crate) token: String,
    pub(crate) pem: String,
}

/// Dropped, it ends.
pub(crate) struct World {
    pub(crate) target: Target,
    pub(crate) relay: Process,
    _agent: Process,
    _folder: TempDir,
}

impl World {
    /// With the binaries in `folder`; without one, with those of the checkout, which are built first.
    pub(crate) async fn start(folder: Option<&Path>) -> Self {
        let (gantz, relay) = match folder.map(|folder| folder.canonicalize().unwrap()) {
            Some(folder) => (folder.join("gantz"), folder.join("gantz-relay")),
            None => (binaries::gantz(), binaries::gantz_relay()),
        };
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("state");
        let mut serve = command(&relay, home.path());
        serve.args(["serve", "--access", "open", "--tls", "self-signed", "--log-format", "json", "--domain", DOMAIN]);
        serve.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        // The rest of a flood is not cut short by what a tunnel may be called.
        serve.args(["--token-rate", "1000000/s", "--tunnel-rate", "1000000/s"]);
        serve.arg("--state-dir").arg(&state);
        let (relay, port) = Process::start("gantz-relay", &mut serve, Announces::Stderr, serves).await;

        let mut run = command(&gantz, home.path());
        run.args(["run", "--auth", "--json", "--demo", "--name", "flooded", "--relay", &format!("127.0.0.1:{port}")]);
        run.arg("--relay-ca").arg(state.join("ca.pem"));
        let (agent, token) = Process::start("gantz", &mut run, Announces::Stdout, ready).await;
        let pem = std::fs::read_to_string(state.join("ca.pem")).unwrap();
        let target = Target { port, host: format!("flooded.{DOMAIN}"), token, pem };
        Self { target, relay, _agent: agent, _folder: home }
    }
}

/// Nothing of this machine's user has a say: no variable, no file.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", folder).current_dir(folder);
    command
}

/// The port, of the public as of agents.
fn serves(line: &str) -> Option<u16> {
    let line: Value = serde_json::from_str(line).ok()?;
    line["fields"]["public"].as_str()?.rsplit_once(':')?.1.parse().ok()
}

fn ready(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    (event["event"] == "ready").then(|| event["token"].as_str().map(str::to_owned))?
}
