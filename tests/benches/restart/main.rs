//! How long callers wait when the relay's process is killed and started again, and what they are told meanwhile: the real
//! binaries under the load of the chaos suite. See `README.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

#[path = "../../suite/chaos/load/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the suite asks for more, and has tests of its own in it")]
mod load;
#[path = "../../suite/e2e/process.rs"]
#[allow(dead_code, reason = "the suite asks more of its processes")]
mod process;
mod report;
mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use rand::RngExt;

use crate::load::Load;
use crate::report::{Report, Restart};
use crate::world::World;

/// How long the load may take to flow again.
const RECOVERY: Duration = Duration::from_secs(90);

/// Measures what callers notice of a relay that is killed and started again, on this machine's loopback.
#[derive(Debug, Parser)]
#[command(name = "restart")]
struct Cli {
    /// How often the relay is killed
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,
    /// Milliseconds until it is started again
    #[arg(long, default_value_t = 0)]
    away: u64,
    /// Two times: shows that everything works, measures little
    #[arg(long, conflicts_with = "times")]
    short: bool,
    /// Folder of a gantz and a gantz-relay that are built already, instead of building them now
    #[arg(long, value_name = "FOLDER")]
    gantz: Option<PathBuf>,
    /// What cargo adds when it runs a benchmark; without it (`cargo test --benches`) the run is a short one
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure(cli));
}

async fn measure(cli: Cli) {
    let times = if cli.short || !cli.bench { 2 } else { cli.times };
    let mut world = World::start(cli.gantz.as_deref()).await;
    let load = Load::start(world.aim.clone(), &world.server).await;
    let mut report = Report::default();
    for _ in 0..times {
        // Not in step with anything that the agent does at its own pace.
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(0..2000))).await;
        report.add(restart(&mut world, Duration::from_millis(cli.away)).await);
        load.flows(RECOVERY).await;
    }
    report.print(&load.finish().await);
}

async fn restart(world: &mut World, away: Duration) -> Restart {
    world.kill().await;
    let killed = Instant::now();
    tokio::time::sleep(away).await;
    world.serve().await;
    let listens = Instant::now();
    let first = world.first_answer();
    let (answered, (lost, back)) = tokio::join!(first, world.events.next());
    // The agent may have noticed before the relay listened.
    let after = |then: Instant| then.saturating_duration_since(listens);
    Restart {
        starting: listens - killed,
        lost: after(lost),
        back: after(back),
        answered: after(answered),
        by_tcp: world.events.is_tcp(),
    }
}
