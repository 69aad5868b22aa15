//! gantz's own rows: the real binaries, as an operator and a developer start them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gantz_tests::binaries;
use http::Uri;
use serde_json::Value;
use tokio::process::Command;

use crate::client::Target;
use crate::ends::{End, Ends};
use crate::process::{Announces, Process};

/// What the relay's certificate is for, besides this machine's loopback.
pub(crate) const DOMAIN: &str = "bench.test";

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

/// A relay, and where it is found.
pub(crate) struct Relay {
    pub(crate) process: Process,
    public: SocketAddr,
    agents: SocketAddr,
    ca: PathBuf,
}

/// A relay with `--tls tls` and so many workers at its end. It keeps what it keeps in `state`, a folder of its own.
pub(crate) async fn relay(tls: &str, workers: usize, binaries: &Binaries, end: &End, state: &Path) -> Relay {
    std::fs::create_dir_all(state).unwrap();
    let mut command = command(end, &binaries.relay, state);
    command.args(["serve", "--access", "open", "--log-format", "json", "--tls", tls]);
    // Not said where it is the default: an older relay may know nothing of it.
    if workers > 1 {
        command.args(["--workers", &workers.to_string()]);
    }
    command.args(["--domain", DOMAIN, "--admin-listen", "127.0.0.1:0"]);
    command.args(["--listen", &SocketAddr::new(end.address, 0).to_string()]);
    // The limits stay in force; the numbers are beyond what this load can reach.
    command.args(["--max-body", "1TiB", "--token-rate", "10000000/s", "--tunnel-rate", "10000000/s"]);
    command.args(["--max-connections-per-source", "10000", "--max-tunnels-per-source", "10000"]);
    command.arg("--state-dir").arg(state);
    let (process, (public, agents)) = Process::start("gantz-relay", &mut command, Announces::Stderr, serves).await;
    Relay { process, public, agents, ca: state.join("ca.pem") }
}

/// An agent for `origin` at its end, over QUIC or TCP as `transport` says; and where its callers go. Its home is `state`.
pub(crate) async fn agent(
    relay: &Relay,
    transport: &str,
    binaries: &Binaries,
    ends: &Ends,
    origin: SocketAddr,
    state: &Path,
) -> (Process, Target) {
    std::fs::create_dir_all(state).unwrap();
    let mut command = command(&ends.agent, &binaries.gantz, state);
    command.args(["run", "--auth", "--json", &origin.to_string(), "--transport", transport]);
    command.arg("--relay").arg(format!("{}:{}", ends.relay_name, relay.agents.port()));
    command.arg("--relay-ca").arg(&relay.ca);
    let (agent, (url, token)) = Process::start("gantz", &mut command, Announces::StdoutAlone, ready).await;
    let target = Target {
        address: relay.public,
        authority: url.authority().expect("a URL with a host").to_string(),
        token: Some(token),
        ca: (url.scheme_str() == Some("https")).then(|| relay.ca.clone()),
        http2: false,
    };
    (agent, target)
}

/// Nothing of this machine's user has a say: no variable but where programs are, no file.
fn command(end: &End, program: &Path, folder: &Path) -> Command {
    let mut command = end.command(program);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", folder).current_dir(folder);
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
