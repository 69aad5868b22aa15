//! A relay, the process of the agents, and the local server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gantz_tests::{DOMAIN, binaries};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{Announces, Process};
use crate::role::Role;

/// What has to be raised, as everybody comes from one address; the last lets 10,000 connections stay below a limit.
pub(crate) const RAISED: [&str; 6] =
    ["--max-tunnels-per-source", "12000", "--max-connections-per-source", "12000", "--max-connections", "12000"];

/// Dropped, it ends.
pub(crate) struct World {
    pub(crate) edge: SocketAddr,
    pub(crate) ca: PathBuf,
    pub(crate) agents: Role,
    pub(crate) origin: Role,
    relay: Process,
    _home: TempDir,
}

impl World {
    /// With the relay in `folder`; without one, with that of the checkout, which is built first.
    pub(crate) async fn start(folder: Option<&Path>) -> Self {
        let program = match folder.map(|folder| folder.canonicalize().unwrap()) {
            Some(folder) => folder.join("gantz-relay"),
            None => binaries::gantz_relay(),
        };
        let home = tempfile::tempdir().unwrap();
        let mut serve = Command::new(program);
        serve.env_clear().env("HOME", home.path()).current_dir(home.path());
        serve.args(["serve", "--access", "open", "--tls", "self-signed", "--log-format", "json", "--domain", DOMAIN]);
        serve.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--state-dir", "state"]).args(RAISED);
        let (relay, edge) = Process::start("gantz-relay", &mut serve, Announces::Stderr, serves).await;
        let (origin, said) = Role::start("origin", &[]).await;
        let ca = home.path().join("state/ca.pem");
        let args =
            ["--relay", &edge.to_string(), "--ca", ca.to_str().unwrap(), "--origin", said["address"].as_str().unwrap()];
        let (agents, _) = Role::start("agents", &args).await;
        Self { edge, ca, agents, origin, relay, _home: home }
    }

    /// The numbers of the processes that are measured.
    pub(crate) fn pids(&self) -> [u32; 2] {
        [self.relay.pid(), self.agents.pid()]
    }
}

/// Where it takes callers and agents.
fn serves(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    line["fields"]["public"].as_str()?.parse().ok()
}
