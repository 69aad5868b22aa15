//! What a tunnel takes of memory and processor, and an open stream, in relay and agent, and what requests, new connections,
//! bodies and events cost beside them, and how fast they are: with 100 of them, 1,000 and 10,000. See `README.md` of the
//! folder above.
//!
//! The relay is the real process; the agents, all of them, are one process, or two under load, and so are the local server
//! and the callers one each. Nothing is asserted about memory and time. What is asserted is that every tunnel stays open,
//! that every request is answered, and that each event comes once, on the stream that it was sent on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod agents;
mod bodies;
mod callers;
mod idle;
mod lanes;
mod load;
mod origin;
mod picture;
mod report;
mod role;
mod streams;
mod tables;
mod world;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use gantz_agent::config::Transports;
use rlimit::Resource;

use crate::report::Report;
use crate::tables::Table;

/// Tunnels over which streams go.
const TUNNELS: usize = 100;

/// Files that a process may need besides those for what is open.
const OTHER_FILES: u64 = 1_000;

/// Measures tunnels and open streams, and requests and events beside them, on this machine's loopback.
#[derive(Debug, Parser)]
#[command(name = "growth")]
struct Cli {
    /// 100 and 1,000 only
    #[arg(long)]
    short: bool,
    /// Only tables whose names contain one of these, with `;` in between
    #[arg(long, value_delimiter = ';')]
    tables: Vec<String>,
    /// Seconds without change after which memory counts as level: longer than it takes until a silent tunnel, and a
    /// silent stream, are kept alive
    #[arg(long, default_value_t = 16)]
    level: u64,
    /// How often each load is measured at each step
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds that requests are counted, and events, each time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// MiB of each body, of which there are eight each time, through a tunnel each
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1024))]
    mib: u64,
    /// Folder of a gantz-relay that is built already, instead of building it now
    #[arg(long, value_name = "FOLDER")]
    gantz: Option<PathBuf>,
    /// Where the picture goes, instead of beside the figures
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// What cargo adds when it runs a benchmark; without it (`cargo test --benches`) the run is a short one
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Part>,
}

/// What this program does in a process of its own.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(hide = true)]
    Agents(agents::AgentArgs),
    #[command(hide = true)]
    Origin,
    #[command(hide = true)]
    Callers(callers::CallerArgs),
}

fn main() {
    let cli = Cli::parse();
    // As `gantz` has an agent run; who calls and who answers are run the same way.
    let runtime = gantz_transport::runtime::build().unwrap();
    match &cli.role {
        Some(Part::Agents(args)) => runtime.block_on(agents::run(args)),
        Some(Part::Origin) => runtime.block_on(origin::run()),
        Some(Part::Callers(args)) => runtime.block_on(callers::run(args)),
        None => runtime.block_on(measure(&cli)),
    }
}

/// What is to be measured, and how.
struct Plan {
    steps: &'static [usize],
    level: Duration,
    rounds: u32,
    time: Duration,
    bulk: u64,
    gantz: Option<PathBuf>,
}

async fn measure(cli: &Cli) {
    let is_short = cli.short || !cli.bench;
    let plan = Plan {
        steps: if is_short { &[100, 1_000] } else { &[100, 1_000, 10_000] },
        level: Duration::from_secs(if is_short { 2 } else { cli.level }),
        rounds: if is_short { 1 } else { cli.rounds },
        bulk: (if is_short { 8 } else { cli.mib }) << 20,
        time: if is_short { Duration::from_millis(500) } else { Duration::from_secs(cli.seconds) },
        gantz: cli.gantz.clone(),
    };
    let mut report = Report::new(files(&plan), &plan);
    for table in Table::ALL {
        if !cli.tables.is_empty() && !cli.tables.iter().any(|part| table.name().contains(part)) {
            continue;
        }
        let (idle, load) = match table {
            Table::Tunnels => {
                (idle::tunnels(&plan, Transports::Quic).await, load::tunnels(&plan, Transports::Quic).await)
            }
            Table::OverTcp => {
                (idle::tunnels(&plan, Transports::Tcp).await, load::tunnels(&plan, Transports::Tcp).await)
            }
            Table::Http1 => (idle::streams(&plan, false).await, load::streams(&plan, false).await),
            Table::Http2 => (idle::streams(&plan, true).await, load::streams(&plan, true).await),
        };
        report.add(table, &idle, &load);
    }
    let [figures, picture] = report.write(cli.picture.clone());
    eprintln!("figures: {}, picture: {}", figures.display(), picture.display());
}

/// Has this process, and those it starts, hold as many files as they may need; gives how many that is.
fn files(plan: &Plan) -> u64 {
    // The relay has most: of a tunnel over TCP its socket, and its caller's.
    let needed = 2 * plan.steps.iter().max().map_or(0, |most| *most as u64) + OTHER_FILES;
    // Only a privileged process may raise what the system allows it; for others that stands.
    let files = match rlimit::setrlimit(Resource::NOFILE, needed, needed) {
        Ok(()) => needed,
        Err(_) => rlimit::increase_nofile_limit(needed).unwrap(),
    };
    assert!(files >= needed, "{files} open files are too few (ulimit -Hn): {needed} are needed");
    files
}
