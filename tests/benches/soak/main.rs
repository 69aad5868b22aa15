//! Whether relay and agent stay as large as they are while callers, agents and tokens come and go, for an hour. See
//! `README.md` of the folder above.
//!
//! Nothing is asserted about memory: what it was is printed. Every answer is looked at, and what no caller should get is
//! counted by kind; with one of these the run fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod calls;
mod guests;
mod origin;
mod report;
mod samples;
mod tally;
mod tokens;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use gantz_tests::bench::process;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::samples::Samples;
use crate::tally::Tally;
use crate::world::World;

/// How long the last of the churn may take to end: a guest may just have come, and have to be given up.
const LAST: Duration = Duration::from_secs(120);

/// Watches memory and open files of relay and agent while everything comes and goes, on this machine's loopback.
#[derive(Debug, Parser)]
#[command(name = "soak")]
struct Cli {
    /// How long it goes on
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// One minute: shows that everything works, measures little
    #[arg(long, conflicts_with = "minutes")]
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
    let minutes = if cli.short || !cli.bench { 1 } else { cli.minutes };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(soak(cli.gantz, minutes));
}

async fn soak(gantz: Option<PathBuf>, minutes: u64) {
    let world = Arc::new(World::start(gantz.as_deref()).await);
    let tally = Arc::new(Tally::default());
    let mut samples = Samples::of(&world);
    let stop = CancellationToken::new();
    let mut churn = JoinSet::new();
    churn.spawn(calls::steady(world.clone(), tally.clone(), stop.clone()));
    churn.spawn(calls::streams(world.clone(), tally.clone(), stop.clone()));
    churn.spawn(calls::wrong_tokens(world.clone(), tally.clone(), stop.clone()));
    churn.spawn(guests::come_and_go(world.clone(), tally.clone(), stop.clone()));
    churn.spawn(tokens::rotate(world.clone(), stop.clone()));
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    samples.take_until(end, &world, &tally).await;
    stop.cancel();
    let ended = async {
        while let Some(ended) = churn.join_next().await {
            ended.unwrap();
        }
    };
    tokio::time::timeout(LAST, ended).await.expect("the last caller has ended");
    samples.rest(&world).await;
    let counts = tally.counts();
    report::print(&samples, &counts);
    eprintln!("figures: {}", report::write(&samples, &counts).display());
    assert!(counts.faults.is_empty(), "there were wrong answers");
}
