//! The first quarter beside the last, and what callers got; the same, and every sample, as JSON.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::samples::{LOOK, Pair, Samples, medians, mib};
use crate::tally::Counts;

pub(crate) fn print(samples: &Samples, counts: &Counts) {
    let quarter = samples.during.len() / 4;
    let (first, last) = (&samples.during[..quarter], &samples.during[samples.during.len() - quarter..]);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "{} s of load; the machine's load at the end {}",
        LOOK.as_secs() * samples.during.len() as u64,
        load.trim()
    );
    println!("\n| | relay MiB | own | files | agent MiB | own | files |\n|---|---:|---:|---:|---:|---:|---:|");
    let rows = [
        ("before the first caller", samples.before),
        ("first quarter, median", medians(first)),
        ("last quarter, median", medians(last)),
        ("when nobody called any more", samples.after),
    ];
    for (name, [relay, agent]) in rows {
        let cells = [relay, agent].map(|of| format!("{:.1} | {:.1} | {}", mib(of.resident), mib(of.own), of.files));
        println!("| {name} | {} |", cells.join(" | "));
    }
    let [relay, agent] = samples.cpu.map(|share| 100.0 * share);
    println!("\nprocessor, % of a core: relay {relay:.1}, agent {agent:.1}");
    println!("\n| what callers got | times |\n|---|---:|");
    for (what, times) in &counts.came {
        println!("| {what} | {times} |");
    }
    println!("\nwrong answers: {}", counts.faults.values().sum::<u64>());
    for (what, times) in &counts.faults {
        println!("- {what}: {times}");
    }
}

/// Writes `bench/soak.json` in the target folder.
pub(crate) fn write(samples: &Samples, counts: &Counts) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).expect("target/PROFILE/deps/soak");
    let folder = target.join("bench");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("soak.json");
    let report = json!({
        "look_seconds": LOOK.as_secs(), "before": pair(&samples.before), "after": pair(&samples.after),
        "cpu": { "relay": samples.cpu[0], "agent": samples.cpu[1] },
        "samples": samples.during.iter().map(pair).collect::<Vec<_>>(),
        "came": counts.came, "wrong": counts.faults,
    });
    fs::write(&path, format!("{report:#}\n")).unwrap();
    path
}

fn pair([relay, agent]: &Pair) -> Value {
    json!({
        "relay_resident": relay.resident, "relay_own": relay.own, "relay_files": relay.files,
        "agent_resident": agent.resident, "agent_own": agent.own, "agent_files": agent.files,
    })
}
