//! What is measured side by side: each row a way from the load to the local server.

use std::net::SocketAddr;
use std::path::Path;

use gantz_tests::bench::processor::used_by_threads;
use tempfile::TempDir;

use crate::client::Target;
use crate::ends::Ends;
use crate::gantz::Binaries;
use crate::process::Process;
use crate::{Plan, gantz, nginx, origin, peers};

/// All there are, in the order of the report.
pub(crate) const NAMES: [&str; 9] = [
    "direct",
    "nginx",
    "gantz plain",
    "gantz 2nd worker",
    "gantz HTTPS",
    "gantz HTTPS h2",
    "gantz TCP",
    "bore",
    "rathole",
];

/// One way, up and running.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    pub(crate) relay: Option<Process>,
    pub(crate) agent: Option<Process>,
    /// An agent that nobody calls, whose tunnel is the first worker's.
    pub(crate) idle: Option<Process>,
}

/// Every way there is. Dropped, all of it is told to end.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) running: Vec<Row>,
    pub(crate) origin: Process,
    _folder: TempDir,
}

/// Starts what `plan` wants.
pub(crate) async fn start(plan: &Plan, binaries: &Binaries) -> Rows {
    let folder = tempfile::tempdir().unwrap();
    let ends = Ends::here();
    let (origin, address) = origin::start(&ends.agent).await;
    let mut rows = Rows { running: Vec::new(), origin, _folder: folder };
    let path = rows._folder.path().to_owned();
    for name in plan.present(&NAMES) {
        let row = row(name, plan, binaries, &ends, address, &path).await;
        if let (Some(relay), Some(agent)) = (&row.relay, &row.agent) {
            eprintln!("{name}: relay is process {}, agent {}", relay.pid(), agent.pid());
        }
        rows.running.push(row);
    }
    rows
}

impl Rows {
    /// Ends what others may need the ports of.
    pub(crate) async fn end(self) {
        for relay in self.running.into_iter().filter_map(|row| row.relay) {
            relay.end().await;
        }
    }

    /// Fails where a tunnel was to be another worker's, and was not.
    pub(crate) fn check(&self) {
        for (relay, _) in self.running.iter().filter_map(|row| row.relay.as_ref().zip(row.idle.as_ref())) {
            let (worker, all) = (used_by_threads(relay.pid(), "gantz-worker-1"), relay.cpu());
            assert!(worker > all / 4, "of {all:?} the second worker had {worker:?}: the tunnel was not its");
        }
    }
}

/// The row `name` between these ends.
pub(crate) async fn row(
    name: &'static str,
    plan: &Plan,
    binaries: &Binaries,
    ends: &Ends,
    origin: SocketAddr,
    folder: &Path,
) -> Row {
    let state = folder.join(name.replace(' ', "-"));
    let gantz = async |tls: &str, transport: &str| {
        let relay = gantz::relay(tls, 1, binaries, &ends.relay, &state).await;
        let (agent, target) = gantz::agent(&relay, transport, binaries, ends, origin, &state).await;
        Row { name, target, relay: Some(relay.process), agent: Some(agent), idle: None }
    };
    match name {
        "direct" => Row { name, target: Target::plain(origin), relay: None, agent: None, idle: None },
        "gantz plain" => gantz("off", "quic").await,
        "gantz 2nd worker" => {
            let relay = gantz::relay("off", 2, binaries, &ends.relay, &state).await;
            let (idle, _) = gantz::agent(&relay, "quic", binaries, ends, origin, &state.join("idle")).await;
            let (agent, target) = gantz::agent(&relay, "quic", binaries, ends, origin, &state).await;
            Row { name, target, relay: Some(relay.process), agent: Some(agent), idle: Some(idle) }
        }
        "gantz HTTPS" => gantz("self-signed", "quic").await,
        "gantz HTTPS h2" => {
            let row = gantz("self-signed", "quic").await;
            Row { target: Target { http2: true, ..row.target }, ..row }
        }
        "gantz TCP" => gantz("self-signed", "tcp").await,
        "nginx" => nginx::start(plan.peers.program(name), &ends.relay, origin, folder).await,
        "bore" => peers::bore(plan.peers.program(name), ends, origin).await,
        _ => peers::rathole(plan.peers.program(name), ends, origin, folder).await,
    }
}
