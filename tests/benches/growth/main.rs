//! What a tunnel takes of memory and processor, and an open stream, in relay and agent, and what requests and events cost
//! beside them: with 100 of them, 1,000 and 10,000. See `README.md` of the folder above.
//!
//! The relay is the real process; the agents, all of them, are one process, or two under load, and so are the local server
//! and the callers one each. Nothing is asserted about memory and time. What is asserted is that every tunnel stays open,
//! that every request is answered, and that each event comes once, on the stream that it was sent on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod agents;
mod callers;
mod idle;
mod lanes;
mod load;
mod memory;
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
use rlimit::Resource;

use crate::report::Report;
use crate::tables::Table;

/// Tunnels over which streams go.
const TUNNELS: usize = 100;

/// Files that each process may need: a socket a tunnel or stream on either side, and more.
const FILES: u64 = 24_000;

/// Below this a process cannot hold 10,000 sockets.
const LEAST_FILES: u64 = 12_000;

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
    /// Seconds that requests are counted, and events, at each step
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
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
    time: Duration,
    gantz: Option<PathBuf>,
}

async fn measure(cli: &Cli) {
    let is_short = cli.short || !cli.bench;
    let plan = Plan {
        steps: if is_short { &[100, 1_000] } else { &[100, 1_000, 10_000] },
        level: Duration::from_secs(if is_short { 2 } else { cli.level }),
        time: if is_short { Duration::from_millis(500) } else { Duration::from_secs(cli.seconds) },
        gantz: cli.gantz.clone(),
    };
    let mut report = Report::new(files(), &plan);
    for table in [Table::Tunnels, Table::Http1, Table::Http2] {
        if !cli.tables.is_empty() && !cli.tables.iter().any(|part| table.name().contains(part)) {
            continue;
        }
        let (idle, load) = match table {
            Table::Tunnels => (idle::tunnels(&plan).await, load::tunnels(&plan).await),
            Table::Http1 => (idle::streams(&plan, false).await, load::streams(&plan, false).await),
            Table::Http2 => (idle::streams(&plan, true).await, load::streams(&plan, true).await),
        };
        report.add(table, &idle, &load);
    }
    let [figures, picture] = report.write(cli.picture.clone());
    eprintln!("figures: {}, picture: {}", figures.display(), picture.display());
}

/// Has this process, and those it starts, hold as many files as they may need; gives how many that is.
fn files() -> u64 {
    // Only a privileged process may raise what the system allows it; for others that stands.
    let raised = rlimit::setrlimit(Resource::NOFILE, FILES, FILES);
    let files = match raised {
        Ok(()) => FILES,
        Err(_) => rlimit::increase_nofile_limit(FILES).unwrap(),
    };
    assert!(files >= LEAST_FILES, "{files} open files are too few (ulimit -Hn)");
    files
}
