//! What is measured side by side: each row a way from the load to the local server.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;

use crate::client::Target;
use crate::gantz::Binaries;
use crate::process::{Announces, Process};
use crate::{Plan, gantz, is_wanted, nginx, peers};

/// All there are, in the order of the report.
const NAMES: [&str; 8] =
    ["direct", "nginx", "gantz plain", "gantz HTTPS", "gantz HTTPS h2", "gantz TCP", "bore", "rathole"];

/// One way, up and running.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    pub(crate) relay: Option<Process>,
    pub(crate) agent: Option<Process>,
}

/// Every way there is. Dropped, all of it ends.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) running: Vec<Row>,
    /// Those that could not be, and why.
    pub(crate) missing: Vec<(&'static str, String)>,
    pub(crate) origin: Process,
    _folder: TempDir,
}

/// Starts what `plan` wants.
pub(crate) async fn start(plan: &Plan) -> Rows {
    let folder = tempfile::tempdir().unwrap();
    let binaries = Binaries::of(plan.gantz.as_deref());
    let mut command = Command::new(std::env::current_exe().unwrap());
    let (origin, address) =
        Process::start("origin", command.arg("origin"), Announces::Stdout, |line| line.parse::<SocketAddr>().ok())
            .await;
    let mut rows = Rows { running: Vec::new(), missing: Vec::new(), origin, _folder: folder };
    let path = rows._folder.path().to_owned();
    for name in NAMES {
        if !is_wanted(name, &NAMES, &plan.rows) {
            continue;
        }
        let started = match name {
            "direct" => Ok(Row { name, target: Target::plain(address), relay: None, agent: None }),
            "gantz plain" => Ok(gantz_row(name, "off", "quic", &binaries, address, &path).await),
            "gantz HTTPS" => Ok(gantz_row(name, "self-signed", "quic", &binaries, address, &path).await),
            "gantz HTTPS h2" => {
                let row = gantz_row(name, "self-signed", "quic", &binaries, address, &path).await;
                Ok(Row { target: Target { http2: true, ..row.target }, ..row })
            }
            "gantz TCP" => Ok(gantz_row(name, "self-signed", "tcp", &binaries, address, &path).await),
            "nginx" => nginx::start(&plan.nginx, address, &path).await,
            "bore" => peers::bore(&plan.bore, address).await,
            _ => peers::rathole(&plan.rathole, address, &path).await,
        };
        match started {
            Ok(row) => {
                if let (Some(relay), Some(agent)) = (&row.relay, &row.agent) {
                    eprintln!("{name}: relay is process {}, agent {}", relay.pid(), agent.pid());
                }
                rows.running.push(row);
            }
            Err(why) => rows.missing.push((name, why)),
        }
    }
    assert!(!rows.running.is_empty(), "--rows leaves nothing to measure");
    rows
}

/// A relay with `--tls tls`, and an agent with `--transport transport`.
async fn gantz_row(
    name: &'static str,
    tls: &str,
    transport: &str,
    binaries: &Binaries,
    origin: SocketAddr,
    folder: &Path,
) -> Row {
    let state = folder.join(name.replace(' ', "-"));
    let relay = gantz::relay(tls, binaries, &state).await;
    let (agent, target) = gantz::agent(&relay, relay.agents, transport, binaries, origin, &state).await;
    Row { name, target, relay: Some(relay.process), agent: Some(agent) }
}
