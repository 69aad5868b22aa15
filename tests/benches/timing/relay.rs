//! What is asked: a relay with two tunnels, the real binaries, and tokens that are wrong in different ways.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gantz_tests::binaries;
use http::Uri;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{Announces, Process};

const DOMAIN: &str = "bench.test";

/// Dropped, it ends.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) kinds: Vec<Kind>,
    _running: Vec<Process>,
    _folder: TempDir,
}

/// A way of being refused.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// What has to be answered.
    pub(crate) status: &'static str,
    /// `Host` of the request.
    pub(crate) authority: String,
    pub(crate) token: String,
}

struct Binaries {
    gantz: PathBuf,
    relay: PathBuf,
}

impl World {
    /// With the binaries in `folder`; without one, with those of the checkout, which are built first.
    pub(crate) async fn start(folder: Option<&Path>) -> Self {
        let binaries = match folder.map(|folder| folder.canonicalize().unwrap()) {
            Some(folder) => Binaries { gantz: folder.join("gantz"), relay: folder.join("gantz-relay") },
            None => Binaries { gantz: binaries::gantz(), relay: binaries::gantz_relay() },
        };
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("state");

        let mut serve = command(&binaries.relay, home.path());
        serve.args(["serve", "--access", "open", "--tls", "off", "--log-format", "json", "--domain", DOMAIN]);
        serve.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        // The limits stay in force; the numbers are beyond what is asked here.
        serve.args(["--guess-rate", "10000000/s", "--token-rate", "10000000/s", "--tunnel-rate", "10000000/s"]);
        serve.arg("--state-dir").arg(&state);
        let (relay, (address, agents)) = Process::start("gantz-relay", &mut serve, Announces::Stderr, serves).await;

        // Nobody who is refused gets as far as a local server, so that there need not be one that says anything.
        let run = async |name: &str| {
            let mut run = command(&binaries.gantz, home.path());
            run.args(["run", "--auth", "--json", "--demo", "--name", name, "--relay", &agents.to_string()]);
            run.arg("--relay-ca").arg(state.join("ca.pem"));
            Process::start("gantz", &mut run, Announces::Stdout, ready).await
        };
        let (agent, (url, token)) = run("measured").await;
        let (other, (_, token_of_other)) = run("other").await;
        let gone = json(&binaries, home.path(), &["add", "--label", "gone"]).await["token"].clone();
        json(&binaries, home.path(), &["revoke", "gone"]).await;

        let here = url.authority().expect("a URL with a host").to_string();
        let nowhere = here.replacen("measured", "nowhere0", 1);
        let refused =
            |name, token: &str| Kind { name, status: "401", authority: here.clone(), token: token.to_owned() };
        let kinds = vec![
            refused("wrong from the first character", &wrong_from(&token, "gtz_".len())),
            refused("the same again", &wrong_from(&token, "gtz_".len())),
            refused("wrong from the middle", &wrong_from(&token, token.len() / 2)),
            refused("wrong in the last character", &wrong_from(&token, token.len() - 1)),
            refused("revoked", gone.as_str().unwrap()),
            refused("another tunnel's", &token_of_other),
            Kind { name: "no such tunnel", status: "404", authority: nowhere, token },
        ];
        Self { address, kinds, _running: vec![relay, agent, other], _folder: home }
    }
}

/// `token` with every character another one from `at` on.
fn wrong_from(token: &str, at: usize) -> String {
    let (right, wrong) = token.split_at(at);
    let other = |c: char| if c == 'A' { 'B' } else { 'A' };
    right.chars().chain(wrong.chars().map(other)).collect()
}

/// What `gantz token` answers for the tunnel that is measured.
async fn json(binaries: &Binaries, folder: &Path, args: &[&str]) -> Value {
    let mut token = command(&binaries.gantz, folder);
    let output = token.arg("token").args(args).args(["--name", "measured", "--json"]).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
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
    let address = |name: &str| line["fields"][name].as_str()?.parse().ok();
    Some((address("public")?, address("agents")?))
}

fn ready(line: &str) -> Option<(Uri, String)> {
    let event: Value = serde_json::from_str(line).ok()?;
    if event["event"] != "ready" {
        return None;
    }
    Some((event["url"].as_str()?.parse().ok()?, event["token"].as_str()?.to_owned()))
}
