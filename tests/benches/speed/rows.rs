//! What is measured side by side: each row a way from the load to the local server.

use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{Announces, Process};
use crate::{Plan, gantz, peers};

/// Where the load goes, and what it shows there.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) authority: String,
    pub(crate) token: Option<String>,
    /// The authority to believe, where the way is TLS.
    pub(crate) ca: Option<PathBuf>,
}

impl Target {
    /// HTTP at `address`, without a token.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, authority: address.to_string(), token: None, ca: None }
    }
}

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
    let binaries = gantz::Binaries::of(plan.gantz.as_deref());
    let mut command = Command::new(std::env::current_exe().unwrap());
    let (origin, address) =
        Process::start("origin", command.arg("origin"), Announces::Stdout, |line| line.parse::<SocketAddr>().ok())
            .await;
    let mut rows = Rows { running: Vec::new(), missing: Vec::new(), origin, _folder: folder };
    let path = rows._folder.path().to_owned();
    for name in ["direct", "gantz plain", "gantz HTTPS", "bore", "rathole"] {
        if !plan.rows.is_empty() && !plan.rows.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        let started = match name {
            "direct" => Ok(Row { name, target: Target::plain(address), relay: None, agent: None }),
            "gantz plain" => Ok(gantz::start(name, "off", &binaries, address, &path).await),
            "gantz HTTPS" => Ok(gantz::start(name, "self-signed", &binaries, address, &path).await),
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
