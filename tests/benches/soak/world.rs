//! What is watched: a relay and an agent that stay, the real binaries, and the local server in this process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use gantz_tests::{DOMAIN, Origin, binaries, client};
use http::Uri;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::origin;
use crate::process::{Announces, Process};

/// The tunnel that stays.
const NAME: &str = "steady";

/// A tunnel as a caller knows it.
#[derive(Debug, Clone)]
pub(crate) struct Tunnel {
    /// With its slash.
    pub(crate) url: Uri,
    pub(crate) token: String,
}

/// Dropped, it ends.
pub(crate) struct World {
    pub(crate) relay: Process,
    pub(crate) agent: Process,
    tunnel: Mutex<Tunnel>,
    /// The first token, once it was rotated away.
    retired: Mutex<Option<String>>,
    edge: SocketAddr,
    ca: String,
    gantz: PathBuf,
    origin: Origin,
    home: TempDir,
}

impl World {
    /// With the binaries in `folder`; without one, with those of the checkout, which are built first.
    pub(crate) async fn start(folder: Option<&Path>) -> Self {
        let (gantz, relay) = match folder.map(|folder| folder.canonicalize().unwrap()) {
            Some(folder) => (folder.join("gantz"), folder.join("gantz-relay")),
            None => (binaries::gantz(), binaries::gantz_relay()),
        };
        let home = tempfile::tempdir().unwrap();
        let mut serve = command(&relay, home.path());
        serve.args(["serve", "--access", "open", "--tls", "self-signed", "--log-format", "json", "--domain", DOMAIN]);
        serve.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--state-dir", "state"]);
        let (relay, edge) = Process::start("gantz-relay", &mut serve, Announces::Stderr, serves).await;
        let ca = std::fs::read_to_string(home.path().join("state/ca.pem")).unwrap();
        let origin = Origin::axum(origin::router());
        let mut run = run(&gantz, home.path(), home.path(), edge, &origin);
        run.args(["--name", NAME]);
        let (agent, tunnel) = Process::start("gantz run", &mut run, Announces::Stdout, ready).await;
        let (tunnel, retired) = (Mutex::new(tunnel), Mutex::default());
        Self { relay, agent, tunnel, retired, edge, ca, gantz, origin, home }
    }

    /// The tunnel that stays, with its token of now.
    pub(crate) fn tunnel(&self) -> Tunnel {
        self.tunnel.lock().unwrap().clone()
    }

    /// A token that is dead, if there is one.
    pub(crate) fn retired(&self) -> Option<String> {
        self.retired.lock().unwrap().clone()
    }

    /// From now on callers show `token`; gives the one before.
    pub(crate) fn renew(&self, token: String) -> String {
        std::mem::replace(&mut self.tunnel.lock().unwrap().token, token)
    }

    /// From now on `token` is dead.
    pub(crate) fn retire(&self, token: String) {
        *self.retired.lock().unwrap() = Some(token);
    }

    /// `gantz token` for the tunnel that stays: what it prints as JSON.
    pub(crate) async fn token(&self, args: &[&str]) -> Value {
        let mut token = command(&self.gantz, self.home.path());
        let output = token.arg("token").args(args).args(["--name", NAME, "--json"]).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Another agent at home in `home`, under this name, or one of the relay's choice.
    pub(crate) async fn guest(&self, home: &Path, name: Option<&str>) -> (Process, Tunnel) {
        let mut run = run(&self.gantz, home, self.home.path(), self.edge, &self.origin);
        if let Some(name) = name {
            run.args(["--name", name]);
        }
        Process::start("gantz run", &mut run, Announces::Stdout, ready).await
    }

    /// A caller with connections of its own.
    pub(crate) fn caller(&self, host: &str, alpn: &[u8]) -> reqwest::Client {
        reqwest::Client::builder()
            .tls_backend_preconfigured(client::trusting(&self.ca, &[alpn]))
            .resolve(host, self.edge)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .unwrap()
    }
}

fn run(gantz: &Path, home: &Path, relay: &Path, edge: SocketAddr, origin: &Origin) -> Command {
    let mut run = command(gantz, home);
    run.args(["run", "--auth", "--json"]).arg(format!("--relay={edge}"));
    run.arg("--relay-ca").arg(relay.join("state/ca.pem")).arg(format!("http://{}/", origin.address()));
    run
}

/// Nothing of this machine's user has a say: no variable, no file.
fn command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).current_dir(home);
    command
}

/// Where it takes callers and agents.
fn serves(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    line["fields"]["public"].as_str()?.parse().ok()
}

fn ready(line: &str) -> Option<Tunnel> {
    let event: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| event[key].as_str();
    (event["event"] == "ready")
        .then(|| Some(Tunnel { url: text("url")?.parse().ok()?, token: text("token")?.to_owned() }))?
}
