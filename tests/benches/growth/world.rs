//! A relay, the processes of the agents, the local server, and the callers' process.

use std::net::SocketAddr;
use std::path::PathBuf;

use gantz_agent::config::Transports;
use gantz_tests::bench::process::{Announces, Process};
use gantz_tests::{DOMAIN, binaries};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::Plan;
use crate::role::Role;

/// What has to be raised, as everybody comes from one address; the last lets 10,000 agents over TCP and as many callers stay
/// below a limit.
pub(crate) const RAISED: [&str; 6] =
    ["--max-tunnels-per-source", "12000", "--max-connections-per-source", "24000", "--max-connections", "24000"];

/// The same under load, as a hundred tunnels get what is meant for thousands. The limits stay in force.
pub(crate) const RAISED_UNDER_LOAD: [&str; 4] = ["--token-rate", "10000000/s", "--tunnel-rate", "10000000/s"];

/// What a world is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Nothing but being there.
    Idle,
    /// To be called, over TLS.
    Load,
    /// To be called in clear, as by a proxy in front of the relay: then a connection that is kept takes requests for any
    /// name. Over TLS it takes those for the name of its handshake only.
    PlainLoad,
}

impl Purpose {
    /// Processes that share the agents. Under load a tunnel has another socket, to the local server: those of 10,000 are
    /// more than one process may have open on some systems.
    fn agents(self) -> usize {
        if self == Self::Idle { 1 } else { 2 }
    }
}

/// Dropped, it ends.
pub(crate) struct World {
    edge: SocketAddr,
    ca: PathBuf,
    agents: Vec<Role>,
    pub(crate) origin: Role,
    relay: Process,
    purpose: Purpose,
    _home: TempDir,
}

/// Tunnels that are open.
#[derive(Debug, Default)]
pub(crate) struct Tunnels {
    /// How often one had to be opened anew.
    pub(crate) lost: u64,
    /// Public URL of each.
    pub(crate) urls: Vec<String>,
}

impl World {
    /// With the plan's relay; without one, with that of the checkout, which is built first. Tunnels go over `transport`.
    pub(crate) async fn start(plan: &Plan, purpose: Purpose, transport: Transports) -> Self {
        let program = match plan.gantz.as_deref().map(|folder| folder.canonicalize().unwrap()) {
            Some(folder) => folder.join("gantz-relay"),
            None => binaries::gantz_relay(),
        };
        let home = tempfile::tempdir().unwrap();
        let mut serve = Command::new(program);
        serve.env_clear().env("HOME", home.path()).current_dir(home.path());
        serve.args(["serve", "--access", "open", "--log-format", "json", "--domain", DOMAIN]);
        serve.args(["--tls", if purpose == Purpose::PlainLoad { "off" } else { "self-signed" }]);
        serve.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--state-dir", "state"]).args(RAISED);
        if purpose != Purpose::Idle {
            serve.args(RAISED_UNDER_LOAD);
        }
        let (relay, (edge, tunnels)) = Process::start("gantz-relay", &mut serve, Announces::Stderr, serves).await;
        let (origin, said) = Role::start("origin", &[]).await;
        let ca = home.path().join("state/ca.pem");
        let origin_address = said["address"].as_str().unwrap();
        let tunnels = tunnels.to_string();
        let mut args = vec!["--relay", &tunnels, "--ca", ca.to_str().unwrap(), "--origin", origin_address];
        args.extend((transport == Transports::Tcp).then_some("--tcp"));
        let mut agents = Vec::new();
        for _ in 0..purpose.agents() {
            agents.push(Role::start("agents", &args).await.0);
        }
        Self { edge, ca, agents, origin, relay, purpose, _home: home }
    }

    /// Opens tunnels until there are so many.
    pub(crate) async fn open(&mut self, count: usize) -> Tunnels {
        let mut tunnels = Tunnels::default();
        let processes = self.agents.len();
        for (index, agents) in self.agents.iter_mut().enumerate() {
            let share = count * (index + 1) / processes - count * index / processes;
            let said = agents.ask(&share.to_string()).await;
            assert_eq!(said["open"], share, "tunnels are missing");
            tunnels.lost += said["lost"].as_u64().unwrap();
            tunnels.urls.extend(said["urls"].as_array().unwrap().iter().map(|url| url.as_str().unwrap().to_owned()));
        }
        tunnels
    }

    /// Starts the callers' process.
    pub(crate) async fn callers(&self, is_http2: bool) -> Role {
        let edge = self.edge.to_string();
        let mut args = vec!["--edge", &edge];
        if self.purpose != Purpose::PlainLoad {
            args.extend(["--ca", self.ca.to_str().unwrap()]);
        }
        args.extend(is_http2.then_some("--http2"));
        Role::start("callers", &args).await.0
    }

    /// The number of the relay's process.
    pub(crate) fn relay(&self) -> u32 {
        self.relay.pid()
    }

    /// The numbers of the agents' processes.
    pub(crate) fn agents(&self) -> Vec<u32> {
        self.agents.iter().map(Role::pid).collect()
    }
}

/// Where it takes callers, and agents.
fn serves(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = |name: &str| line["fields"][name].as_str()?.parse().ok();
    Some((address("public")?, address("agents")?))
}
