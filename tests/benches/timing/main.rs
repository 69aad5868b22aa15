//! Whether the time of a refusal tells how wrong a token was: wrong tokens of several kinds, in random order, over kept
//! connections to a release relay in a process of its own. See `../README.md` for how to run it and read it.
//!
//! Nothing is asserted about times. What is asserted is that every answer is the refusal that it has to be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod relay;
mod report;
mod sampler;
mod statistics;

use std::path::PathBuf;

use clap::Parser;
use gantz_tests::bench::process;

/// Measures what the time of a refusal says about the token, on this machine's loopback.
#[derive(Debug, Parser)]
#[command(name = "timing")]
struct Cli {
    /// Requests of each kind
    #[arg(long, default_value_t = 40_000, value_parser = clap::value_parser!(u32).range(1..))]
    samples: u32,
    /// Connections that take turns
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    connections: u32,
    /// Few requests: shows that everything works, measures nothing
    #[arg(long, conflicts_with = "samples")]
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
    let samples = if cli.short || !cli.bench { 100 } else { cli.samples };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let measured = runtime.block_on(async {
        let world = relay::World::start(cli.gantz.as_deref()).await;
        // On a thread of its own: this one reads what the processes write, as a full pipe would stop them.
        let measure = move || sampler::measure(&world, samples as usize, cli.connections as usize);
        tokio::task::spawn_blocking(measure).await.unwrap()
    });
    report::print(&measured);
}
