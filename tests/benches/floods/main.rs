//! How long other callers wait while one attacker floods the relay with HTTP/2 that is nothing but work: so many
//! connections a second of each kind, by a process of the lowest priority, as all share this machine. See `../README.md`.
//!
//! Nothing is asserted about times. What is asserted is that every call of the others is answered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod attack;
mod caller;
#[path = "../../suite/attack/frames.rs"]
#[allow(dead_code, reason = "the suite says more of them")]
mod frames;
mod relay;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use gantz_tests::bench::process;

use crate::attack::Kind;
use crate::relay::World;

/// Measures what other callers notice of floods of HTTP/2, on this machine's loopback.
#[derive(Debug, Parser)]
#[command(name = "floods")]
struct Cli {
    /// Connections that the attacker opens in a second
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// How long each kind goes on, seconds; as long before each nobody floods
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// A second of each: shows that everything works, measures little
    #[arg(long, conflicts_with = "seconds")]
    short: bool,
    /// Folder of a gantz and a gantz-relay that are built already, instead of building them now
    #[arg(long, value_name = "FOLDER")]
    gantz: Option<PathBuf>,
    /// What this program does as the attacker
    #[arg(long, hide = true)]
    attack: Option<Kind>,
    /// What cargo adds when it runs a benchmark; without it (`cargo test --benches`) the run is a short one
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Some(kind) = cli.attack {
        return runtime.block_on(attack::run(kind, cli.rate));
    }
    let time = Duration::from_secs(if cli.short || !cli.bench { 1 } else { cli.seconds });
    runtime.block_on(async {
        let world = World::start(cli.gantz.as_deref()).await;
        println!("{} connections a second of each kind; milliseconds of the others' calls.\n", cli.rate);
        println!("| flood | quiet p50 | p99 | under it p50 | p99 | p99 is | calls | relay, % of a core |");
        println!("|---|---:|---:|---:|---:|---:|---:|---:|");
        for kind in Kind::ALL {
            let quiet = caller::call(&world.target, time).await;
            let attacker = attack::start(kind, cli.rate, &world.target);
            // It floods from now on: not all of it is its start.
            let _warm_up = caller::call(&world.target, time / 4).await;
            let cpu = world.relay.cpu();
            let flooded = caller::call(&world.target, time).await;
            let cpu = (world.relay.cpu() - cpu).as_secs_f64() / time.as_secs_f64();
            drop(attacker);
            println!(
                "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} × | {} | {:.0} |",
                kind.name(),
                quiet.at(50),
                quiet.at(99),
                flooded.at(50),
                flooded.at(99),
                flooded.at(99) / quiet.at(99),
                flooded.count(),
                100.0 * cpu
            );
        }
    });
}
