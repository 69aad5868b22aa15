//! What a tunnel takes that is open and that nobody calls: of the relay's memory, and a process of the agent's. Each
//! measurement has a relay of its own, as memory that others have freed would be there to be taken.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use gantz_tests::bench::memory;
use gantz_tests::bench::table::{median, range, shown, table};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};

use crate::ends::Ends;
use crate::gantz::{self, Binaries};
use crate::peers::{self, Rathole};
use crate::process::Process;
use crate::{Plan, origin};

/// What `--cases` calls it.
pub(crate) const NAME: &str = "tunnels";

/// Rows, of those on loopback: what carries an idle tunnel does not depend on its callers.
pub(crate) const ROWS: [&str; 4] = ["gantz plain", "gantz TCP", "bore", "rathole"];

/// Tunnels that are opened first: code that only then is resident is not what a tunnel takes.
const FIRST: usize = 16;

/// Agents that are started at once.
const AT_ONCE: usize = 8;

/// Time without change after which memory counts as level.
const LEVEL: Duration = Duration::from_secs(2);

/// What one measurement says, bytes.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// By how much the relay's resident set has grown for each tunnel behind the first ones.
    relay_each: f64,
    /// The resident set of an agent's process, on average; and what of that is its heap and its stacks.
    agent: f64,
    agent_own: f64,
    /// Whether the relay's memory stood still at last.
    is_level: bool,
}

/// Everything measured.
pub(crate) struct Report {
    count: usize,
    rows: Vec<(&'static str, Vec<Sample>)>,
}

/// Measures the rows that `plan` wants.
pub(crate) async fn measure(plan: &Plan, binaries: &Binaries, order: u32) -> Report {
    let present = plan.present(&ROWS);
    let mut rows: Vec<_> = present.iter().map(|row| (*row, Vec::new())).collect();
    let is_watched = std::io::stderr().is_terminal();
    let mut order = StdRng::seed_from_u64(order.into());
    let mut turns: Vec<usize> = (0..rows.len()).collect();
    for round in 1..=plan.rounds {
        turns.shuffle(&mut order);
        for turn in &turns {
            let (row, samples) = &mut rows[*turn];
            if is_watched {
                eprint!("\rround {round}/{}  {NAME:<12} {row:<20}", plan.rounds);
            }
            samples.push(sample(row, plan, binaries).await);
        }
    }
    if is_watched {
        eprintln!("\r{:60}", "");
    }
    Report { count: plan.tunnels, rows }
}

/// Opens tunnels through a relay of its own, and takes all of it down.
async fn sample(row: &'static str, plan: &Plan, binaries: &Binaries) -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let ends = Ends::here();
    let (origin, address) = origin::start(&ends.agent).await;
    let relay = Relay::start(row, plan, binaries, &ends, folder.path()).await;
    let mut agents: Vec<Process> = Vec::new();
    let mut resident = Vec::new();
    for wanted in [FIRST, FIRST + plan.tunnels] {
        let more = (agents.len()..wanted).map(|index| relay.agent(index, binaries, &ends, address, folder.path()));
        let more: Vec<_> = futures_util::stream::iter(more).buffer_unordered(AT_ONCE).collect().await;
        agents.extend(more);
        resident.push(memory::levelled([relay.process().pid()], LEVEL).await);
    }
    let [before, after] = resident[..] else { unreachable!("two were looked at") };
    let mean = |bytes: fn(&Process) -> u64| agents.iter().map(bytes).sum::<u64>() as f64 / agents.len() as f64;
    let sample = Sample {
        relay_each: (after.bytes[0] as f64 - before.bytes[0] as f64) / plan.tunnels as f64,
        agent: mean(Process::resident),
        agent_own: mean(Process::own),
        is_level: before.is_level && after.is_level,
    };
    // Ended, and not only told to: the next one may need its port.
    relay.into_process().end().await;
    for process in agents.into_iter().chain([origin]) {
        process.end().await;
    }
    sample
}

/// What keeps tunnels, of any kind.
enum Relay {
    /// And what carries them.
    Gantz(gantz::Relay, &'static str),
    Bore(Process, std::path::PathBuf),
    Rathole(Rathole),
}

impl Relay {
    /// That of `row`.
    async fn start(row: &'static str, plan: &Plan, binaries: &Binaries, ends: &Ends, folder: &Path) -> Self {
        let gantz = async |tls| gantz::relay(tls, 1, binaries, &ends.relay, &folder.join("relay")).await;
        match row {
            "gantz plain" => Self::Gantz(gantz("off").await, "quic"),
            "gantz TCP" => Self::Gantz(gantz("self-signed").await, "tcp"),
            "bore" => {
                let program = plan.peers.program(row);
                Self::Bore(peers::bore_server(program, &ends.relay).await, program.to_owned())
            }
            _ => {
                let program = plan.peers.program(row);
                Self::Rathole(Rathole::start(program, &ends.relay, FIRST + plan.tunnels, folder).await)
            }
        }
    }

    /// Agent number `index`, with a tunnel of its own.
    async fn agent(
        &self,
        index: usize,
        binaries: &Binaries,
        ends: &Ends,
        origin: SocketAddr,
        folder: &Path,
    ) -> Process {
        let opened = match self {
            Self::Gantz(relay, transport) => {
                let home = folder.join(format!("agent-{index}"));
                gantz::agent(relay, transport, binaries, ends, origin, &home).await
            }
            Self::Bore(_, program) => peers::bore_local(program, ends, origin).await,
            Self::Rathole(server) => server.client(index, ends, origin).await,
        };
        opened.0
    }

    fn process(&self) -> &Process {
        match self {
            Self::Gantz(relay, _) => &relay.process,
            Self::Bore(process, _) => process,
            Self::Rathole(server) => &server.process,
        }
    }

    fn into_process(self) -> Process {
        match self {
            Self::Gantz(relay, _) => relay.process,
            Self::Bore(process, _) => process,
            Self::Rathole(server) => server.process,
        }
    }
}

impl Report {
    /// The table, on stdout.
    pub(crate) fn print(&self) {
        let head = ["row", "relay KiB each", "min–max", "agent MiB", "its own MiB"];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        let (kib, mib) = (1024.0, f64::from(1 << 20));
        for (row, samples) in &self.rows {
            let of = |figure: fn(&Sample) -> f64, unit: f64| samples.iter().map(move |sample| figure(sample) / unit);
            let moved = if samples.iter().all(|sample| sample.is_level) { "" } else { " (memory still moved)" };
            lines.push(vec![
                format!("{row}{moved}"),
                shown(median(of(|sample| sample.relay_each, kib)), 1),
                range(of(|sample| sample.relay_each, kib), 1),
                shown(median(of(|sample| sample.agent, mib)), 1),
                shown(median(of(|sample| sample.agent_own, mib)), 1),
            ]);
        }
        println!("\n### {NAME} ({} idle ones, an agent's process each)\n\n{}", self.count, table(&lines));
    }

    /// The figures of every round.
    pub(crate) fn json(&self) -> Value {
        let sample = |sample: &Sample| {
            json!({
                "relay_resident_each": sample.relay_each, "agent_resident": sample.agent, "agent_own": sample.agent_own,
                "is_level": sample.is_level,
            })
        };
        let series = self
            .rows
            .iter()
            .map(|(row, samples)| json!({ "row": row, "samples": samples.iter().map(sample).collect::<Vec<_>>() }));
        json!({ "plan": { "tunnels": self.count, "first": FIRST }, "series": series.collect::<Vec<_>>() })
    }
}
