//! How fast the whole is, and what it costs: relay, agent, local server and load, each a process of its own, beside the
//! same requests without a tunnel and through other tunnels. See `../README.md` for how to run it and read it.
//!
//! Every row stays up for the whole run; each round measures every case on every row once, so that whatever else
//! happens on the machine meets all rows alike. What is reported are medians over the rounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod cases;
mod events;
mod gantz;
mod load;
mod nginx;
mod origin;
mod peers;
mod report;
mod rows;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use gantz_tests::bench::{client, payload, process, ticks};

/// Files that each process may have open: one or two a stream, and more.
const FILES: u64 = 8192;

/// Below this a process cannot carry a thousand streams.
const LEAST_FILES: u64 = 4096;

/// Measures gantz, and what it is compared with, on this machine's loopback.
#[derive(Debug, Parser)]
#[command(name = "speed")]
struct Cli {
    /// How often each case is measured on each row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds that requests are counted, each time
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,
    /// MiB that a download or an upload has, each time
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..))]
    mib: u64,
    /// One short round: shows that everything works, measures nothing
    #[arg(long, conflicts_with_all = ["rounds", "seconds", "mib"])]
    short: bool,
    /// Only rows whose names are or contain one of these, with `;` in between
    #[arg(long, value_delimiter = ';')]
    rows: Vec<String>,
    /// Only cases whose names are or contain one of these, with `;` in between
    #[arg(long, value_delimiter = ';')]
    cases: Vec<String>,
    /// Folder of a gantz and a gantz-relay that are built already, instead of building them now
    #[arg(long, value_name = "FOLDER")]
    gantz: Option<PathBuf>,
    /// The bore to compare with
    #[arg(long, default_value = "bore", value_name = "FILE")]
    bore: PathBuf,
    /// The rathole to compare with
    #[arg(long, default_value = "rathole", value_name = "FILE")]
    rathole: PathBuf,
    /// The nginx to compare with
    #[arg(long, default_value = "nginx", value_name = "FILE")]
    nginx: PathBuf,
    /// What cargo adds when it runs a benchmark; without it (`cargo test --benches`) the run is a short one
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// The other processes of a run are this same program.
#[derive(Debug, Subcommand)]
enum Role {
    /// The local server
    #[command(hide = true)]
    Origin,
    /// The load
    #[command(hide = true)]
    Load(Box<load::LoadArgs>),
}

/// What a run does.
#[derive(Debug, Clone)]
struct Plan {
    rounds: u32,
    time: Duration,
    bulk: u64,
    rows: Vec<String>,
    cases: Vec<String>,
    gantz: Option<PathBuf>,
    bore: PathBuf,
    rathole: PathBuf,
    nginx: PathBuf,
}

fn main() {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match &cli.role {
        Some(Role::Origin) => runtime.block_on(origin::run()),
        Some(Role::Load(args)) => runtime.block_on(load::run(args)),
        None => runtime.block_on(measure(plan(cli))),
    }
}

fn plan(cli: Cli) -> Plan {
    let is_short = cli.short || !cli.bench;
    Plan {
        rounds: if is_short { 1 } else { cli.rounds },
        time: Duration::from_secs_f64(if is_short { 0.3 } else { cli.seconds }),
        bulk: (if is_short { 32 } else { cli.mib }) << 20,
        rows: cli.rows,
        cases: cli.cases,
        gantz: cli.gantz,
        bore: cli.bore,
        rathole: cli.rathole,
        nginx: cli.nginx,
    }
}

async fn measure(plan: Plan) {
    let cases = cases::chosen(&plan);
    assert!(!cases.is_empty(), "--cases leaves none of {}", cases::names());
    // What is started here has it, too.
    let files = rlimit::increase_nofile_limit(FILES).unwrap();
    assert!(files >= LEAST_FILES, "{files} open files are too few (ulimit -Hn)");
    let mut rows = rows::start(&plan).await;
    let mut report = report::Report::new(&plan, &rows);
    let is_watched = std::io::stderr().is_terminal();
    for round in 1..=plan.rounds {
        for case in &cases {
            // Each round begins with another row, so that none always comes after the same one.
            rows.running.rotate_left(1);
            for row in &rows.running {
                if is_watched {
                    eprint!("\rround {round}/{}  {:<12} {:<20}", plan.rounds, case.name, row.name);
                }
                let sample = case.measure(&plan, row, &rows.origin).await;
                report.add(row.name, case, sample);
            }
        }
    }
    if is_watched {
        eprintln!("\r{:60}", "");
    }
    report.print();
    let path = report.write();
    eprintln!("figures of every round: {}", path.display());
}

/// Whether `name`, of all these `names`, is wanted: each wish is a whole name, or a part of some.
fn is_wanted(name: &str, names: &[&str], wishes: &[String]) -> bool {
    let meets =
        |wish: &String| if names.contains(&wish.as_str()) { name == wish } else { name.contains(wish.as_str()) };
    wishes.is_empty() || wishes.iter().any(meets)
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => Ok(seconds),
        _ => Err("more than 0, and at most 3600".to_owned()),
    }
}
