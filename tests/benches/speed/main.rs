//! How fast the whole is, and what it costs: relay, agent, local server and load, each a process of its own, beside the
//! same requests without a tunnel and through other tunnels; first on this machine's loopback, then over a link that is
//! long, narrow and lossy ([`link`]). See `../README.md` for how to run it and read it.
//!
//! On loopback every row stays up for the whole run; each round measures every case on every row once, so that whatever
//! else happens on the machine meets all rows alike. What is reported are medians over the rounds. What idle tunnels hold
//! is seen in relays of their own ([`tunnels`]).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod cases;
mod cli;
mod ends;
mod events;
mod gantz;
mod install;
mod link;
mod load;
mod nginx;
mod origin;
mod peers;
mod report;
mod rows;
mod tunnels;

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Parser;
use gantz_tests::bench::{client, machine, payload, process, ticks};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};

use crate::cli::{Cli, Plan, Role, is_wanted};
use crate::gantz::Binaries;

/// Files that each process may have open: one or two a stream, and more.
const FILES: u64 = 8192;

/// Below this a process cannot carry a thousand streams.
const LEAST_FILES: u64 = 4096;

fn main() {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match &cli.role {
        Some(Role::Origin { address }) => runtime.block_on(origin::run(*address)),
        Some(Role::Load(args)) => runtime.block_on(load::run(args)),
        Some(Role::Reach { address }) => runtime.block_on(ends::reach(*address)),
        Some(Role::Link(args)) => link::simulator::run(args),
        Some(Role::Callers(args)) => runtime.block_on(link::callers::run(args)),
        None => runtime.block_on(run(&cli)),
    }
}

async fn run(cli: &Cli) {
    let cases = cli::chosen(cli);
    // It takes minutes until the link's turn comes.
    if !cases.link.is_empty()
        && let Err(why) = link::check().await
    {
        eprintln!("{why}\n--no-link measures everything else.");
        std::process::exit(1);
    }
    let plan = cli::plan(cli);
    assert!(!plan.present(&rows::NAMES).is_empty(), "--rows leaves nothing to measure: {:?}", plan.peers);
    let binaries = Binaries::of(plan.gantz.as_deref());
    // Only now: what is built or installed first is load, too.
    let machine = machine::describe();
    println!("machine {machine}");
    let versions = plan.peers.versions();
    println!("versions {versions}");
    let order: u32 = rand::random();
    let mut report = json!({ "machine": machine, "versions": versions, "order": order });
    if !cases.loopback.is_empty() {
        report["loopback"] = loopback(&plan, &binaries, &cases.loopback, order).await;
    }
    if cases.tunnels && !plan.present(&tunnels::ROWS).is_empty() {
        let measured = tunnels::measure(&plan, &binaries, order).await;
        measured.print();
        report["tunnels"] = measured.json();
    }
    if !cases.link.is_empty() && !plan.present(&link::ROWS).is_empty() {
        let measured = link::measure(&plan, &binaries, &cases.link, order).await;
        measured.print(&cases.link);
        report["link"] = measured.json();
    }
    for (row, why) in plan.peers.missing() {
        println!("{row}: {why}");
    }
    report["missing"] = plan.peers.missing().map(|(row, why)| json!({ "row": row, "why": why })).collect();
    eprintln!("figures of every round: {}", write(&report).display());
}

/// Measures on loopback, and prints that.
async fn loopback(plan: &Plan, binaries: &Binaries, cases: &[cases::Case], order: u32) -> Value {
    // What is started here has it, too.
    let files = rlimit::increase_nofile_limit(FILES).unwrap();
    assert!(files >= LEAST_FILES, "{files} open files are too few (ulimit -Hn)");
    let mut rows = rows::start(plan, binaries).await;
    let mut report = report::Report::new(plan, &rows);
    let is_watched = std::io::stderr().is_terminal();
    let mut order = StdRng::seed_from_u64(order.into());
    for round in 1..=plan.rounds {
        for case in cases {
            // So that no row has what the same other one leaves behind on the machine each time.
            rows.running.shuffle(&mut order);
            for row in &rows.running {
                if is_watched {
                    eprint!("\rround {round}/{}  {:<12} {:<20}", plan.rounds, case.name, row.name);
                }
                let sample = case.measure(plan, row, &rows.origin).await;
                report.add(row.name, case, sample);
            }
        }
        rows.check();
    }
    if is_watched {
        eprintln!("\r{:60}", "");
    }
    rows.end().await;
    report.print();
    report.json()
}

/// Writes the figures of every round to `bench/speed.json` in the target folder.
fn write(report: &Value) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).expect("target/PROFILE/deps/speed");
    let folder = target.join("bench");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("speed.json");
    std::fs::write(&path, format!("{report:#}\n")).unwrap();
    path
}
