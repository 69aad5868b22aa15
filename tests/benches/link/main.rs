//! What callers notice of a tunnel whose link is narrow, long and lossy: small requests in a loop, alone and beside a
//! download that takes whatever the link gives. See `README.md` of the folder above.
//!
//! Relay, agent and local server are the real processes; callers and the link are this one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

#[path = "../speed/gantz.rs"]
#[allow(dead_code, reason = "the relay's process is only kept")]
mod gantz;
#[path = "../speed/origin.rs"]
mod origin;
mod report;
mod run;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use gantz_tests::bench::{client, payload, process, ticks};

use crate::gantz::Binaries;
use crate::report::Report;
use crate::run::Scenario;

/// Measures small requests beside a download over a narrow link, on this machine's loopback.
#[derive(Debug, Parser)]
#[command(name = "link")]
struct Cli {
    /// How often each is measured, each time over a tunnel of its own
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds that are counted, each time; half of that is spent beforehand
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// One short round: shows that everything works, measures little
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    short: bool,
    /// Folder of a gantz and a gantz-relay that are built already, instead of building them now
    #[arg(long, value_name = "FOLDER")]
    gantz: Option<PathBuf>,
    /// What cargo adds when it runs a benchmark; without it (`cargo test --benches`) the run is a short one
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// The local server is this same program.
#[derive(Debug, Subcommand)]
enum Role {
    #[command(hide = true)]
    Origin,
}

fn main() {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match &cli.role {
        Some(Role::Origin) => runtime.block_on(origin::run()),
        None => runtime.block_on(measure(&cli)),
    }
}

async fn measure(cli: &Cli) {
    let is_short = cli.short || !cli.bench;
    let rounds = if is_short { 1 } else { cli.rounds };
    let time = Duration::from_secs(if is_short { 2 } else { cli.seconds });
    let binaries = Binaries::of(cli.gantz.as_deref());
    let mut report = Report::new(rounds, time);
    for round in 0..rounds {
        for scenario in Scenario::all() {
            report.add(scenario, run::run(scenario, round, time, &binaries).await);
        }
    }
    report.print();
    eprintln!("figures of every round: {}", report.write().display());
}
