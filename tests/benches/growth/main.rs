//! What memory a tunnel takes, and an open stream, in relay and agent: counted with 100 of them, 1,000 and 10,000. See
//! `README.md` of the folder above.
//!
//! The relay is the real process; the agents, all of them, are one process, and so are the local server and the callers.
//! Nothing is asserted about memory. What is asserted is that every tunnel stays open, and that one event that is sent to
//! all streams comes once to each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod agents;
mod callers;
mod memory;
mod origin;
mod picture;
mod report;
mod role;
mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use gantz_tests::bench::process;
use rlimit::Resource;

use crate::report::{Report, Row, Table};
use crate::role::Role;
use crate::world::World;

/// Tunnels over which streams go.
const TUNNELS: usize = 100;

/// Files that each process may need: a socket a tunnel or stream on either side, and more.
const FILES: u64 = 24_000;

/// Below this a process cannot hold 10,000 sockets.
const LEAST_FILES: u64 = 12_000;

/// Measures the memory of a tunnel and of an open stream, on this machine's loopback.
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
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
    gantz: Option<PathBuf>,
}

async fn measure(cli: &Cli) {
    let is_short = cli.short || !cli.bench;
    let plan = Plan {
        steps: if is_short { &[100, 1_000] } else { &[100, 1_000, 10_000] },
        level: Duration::from_secs(if is_short { 2 } else { cli.level }),
        gantz: cli.gantz.clone(),
    };
    let mut report = Report::new(files(), plan.level);
    for table in [Table::Tunnels, Table::Http1, Table::Http2] {
        if !cli.tables.is_empty() && !cli.tables.iter().any(|part| table.name().contains(part)) {
            continue;
        }
        let rows = match table {
            Table::Tunnels => tunnels(&plan).await,
            Table::Http1 => streams(&plan, false).await,
            Table::Http2 => streams(&plan, true).await,
        };
        report.add(table, &rows);
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

async fn tunnels(plan: &Plan) -> Vec<Row> {
    let mut world = World::start(plan.gantz.as_deref()).await;
    let mut rows = vec![Row::first(memory::levelled(world.pids(), plan.level).await)];
    for count in plan.steps {
        let begun = Instant::now();
        let said = world.agents.ask(&count.to_string()).await;
        let took = begun.elapsed();
        let resident = memory::levelled(world.pids(), plan.level).await;
        assert_eq!(said["open"], *count, "{said}");
        rows.push(Row { open: *count, took, resident, delivered: None });
        // None was lost while memory settled.
        let said = world.agents.ask(&count.to_string()).await;
        assert_eq!(said["lost"], 0, "tunnels were lost");
    }
    rows
}

async fn streams(plan: &Plan, is_http2: bool) -> Vec<Row> {
    let mut world = World::start(plan.gantz.as_deref()).await;
    let said = world.agents.ask(&TUNNELS.to_string()).await;
    let (edge, ca) = (world.edge.to_string(), world.ca.to_str().unwrap().to_owned());
    let mut args = vec!["--edge", &edge, "--ca", &ca];
    args.extend(is_http2.then_some("--http2"));
    args.extend(said["urls"].as_array().unwrap().iter().map(|url| url.as_str().unwrap()));
    let (mut callers, _) = Role::start("callers", &args).await;
    let mut rows = vec![Row::first(memory::levelled(world.pids(), plan.level).await)];
    for (count, event) in plan.steps.iter().zip(1_u64..) {
        let begun = Instant::now();
        let said = callers.ask(&format!("open {count}")).await;
        let took = begun.elapsed();
        assert_eq!((&said["open"], &said["wrong"]), (&(*count).into(), &0.into()), "{said}");
        let before = said["events"].as_u64().unwrap();
        let resident = memory::levelled(world.pids(), plan.level).await;
        let sent = Instant::now();
        let said = world.origin.ask("event").await;
        assert_eq!((&said["event"], &said["streams"]), (&event.into(), &(*count).into()), "{said}");
        let said = callers.ask(&format!("await {event}")).await;
        let delivered = Some((said["events"].as_u64().unwrap() - before, sent.elapsed()));
        rows.push(Row { open: *count, took, resident, delivered });
        assert_eq!(
            (&said["wrong"], &said["over"]),
            (&0.into(), &0.into()),
            "an event is missing or came twice: {said}"
        );
    }
    // Nor came one twice later, or a stream to its end.
    let last = memory::levelled(world.pids(), plan.level).await;
    let said = callers.ask(&format!("await {}", plan.steps.len())).await;
    assert_eq!((&said["wrong"], &said["over"]), (&0.into(), &0.into()), "{said}");
    let open = plan.steps.last().copied().unwrap_or_default();
    rows.push(Row { open, took: Duration::ZERO, resident: last, delivered: None });
    let said = world.agents.ask(&TUNNELS.to_string()).await;
    assert_eq!(said["lost"], 0, "tunnels were lost");
    rows
}
