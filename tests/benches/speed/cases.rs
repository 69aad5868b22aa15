//! What is measured on each row: a load, and what every process spends on it.

use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::Plan;
use crate::load::Work;
use crate::process::{Announces, Process};
use crate::rows::Row;

/// A measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    work: Work,
    connections: usize,
}

/// All there are, in the order of the report.
const CASES: [Case; 7] = [
    Case { name: "GET, 1", work: Work::Get, connections: 1 },
    Case { name: "GET, 16", work: Work::Get, connections: 16 },
    Case { name: "GET, 128", work: Work::Get, connections: 128 },
    Case { name: "POST, 16", work: Work::Post, connections: 16 },
    Case { name: "connect, 16", work: Work::Connect, connections: 16 },
    Case { name: "down", work: Work::Down, connections: 1 },
    Case { name: "up", work: Work::Up, connections: 1 },
];

/// What one measurement says. Every CPU time is for one unit of work: microseconds a request, milliseconds a megabyte.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    /// Requests or megabytes a second.
    pub(crate) rate: f64,
    /// Milliseconds; requests only.
    pub(crate) p50: Option<f64>,
    /// Milliseconds; requests only.
    pub(crate) p99: Option<f64>,
    pub(crate) relay: Cost,
    pub(crate) agent: Cost,
    pub(crate) origin: Cost,
    pub(crate) load: Cost,
}

/// What one process spends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// CPU a unit; `None` where the row has no such process.
    pub(crate) cpu: Option<f64>,
    /// Most resident bytes meanwhile.
    pub(crate) resident: Option<u64>,
}

/// The cases that `plan` wants.
pub(crate) fn chosen(plan: &Plan) -> Vec<Case> {
    let wanted = |case: &&Case| plan.cases.is_empty() || plan.cases.iter().any(|name| case.name.contains(name));
    CASES.iter().filter(wanted).copied().collect()
}

/// What [`chosen`] chooses from.
pub(crate) fn names() -> String {
    CASES.map(|case| case.name).join("; ")
}

impl Case {
    /// Whether it moves megabytes rather than requests.
    pub(crate) fn is_bulk(&self) -> bool {
        matches!(self.work, Work::Down | Work::Up)
    }

    /// Puts the load on `row` once.
    pub(crate) async fn measure(&self, plan: &Plan, row: &Row, origin: &Process) -> Sample {
        let (load, mut said) = Process::spawn("load", &mut self.command(plan, row), Announces::Stdout);
        let patience = gantz_tests::PATIENCE + plan.time * 2;
        let mut line = async |what: &str| {
            let line = tokio::time::timeout(patience, said.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("{}: no {what} on {}", self.name, row.name)).unwrap();
            line.unwrap_or_else(|| panic!("{}: the load failed on {} before its {what}", self.name, row.name))
        };
        assert_eq!(line("begin").await, "begin");
        let watched = [row.relay.as_ref(), row.agent.as_ref(), Some(origin), Some(&load)];
        let before = watched.map(|process| {
            process.inspect(|process| process.reset_peak());
            process.map(Process::cpu)
        });
        let result = line("result").await;
        let after = watched.map(|process| Some((process?.cpu(), process?.peak())));
        load.succeed().await;

        let result: Value = serde_json::from_str(&result).unwrap();
        let number = |name: &str| result[name].as_f64();
        let count = number("count").unwrap();
        assert!(count > 0.0, "{}: nothing came through {}", self.name, row.name);
        let cost = |index: usize| {
            let Some((before, (after, peak))) = before[index].zip(after[index]) else { return Cost::default() };
            Cost { cpu: Some(self.unit(after.saturating_sub(before)) / count), resident: Some(peak) }
        };
        Sample {
            rate: number("rate").unwrap(),
            p50: number("p50_ms"),
            p99: number("p99_ms"),
            relay: cost(0),
            agent: cost(1),
            origin: cost(2),
            load: cost(3),
        }
    }

    fn unit(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * if self.is_bulk() { 1e3 } else { 1e6 }
    }

    fn command(&self, plan: &Plan, row: &Row) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let target = &row.target;
        command.arg("load").args(["--address", &target.address.to_string()]);
        command.args(["--authority", &target.authority]);
        if let Some(token) = &target.token {
            command.args(["--token", token]);
        }
        if let Some(ca) = &target.ca {
            command.arg("--ca").arg(ca);
        }
        let work = clap::ValueEnum::to_possible_value(&self.work).expect("no work is hidden");
        command.args(["--work", work.get_name(), "--connections", &self.connections.to_string()]);
        command.args(["--millis", &plan.time.as_millis().to_string(), "--bytes", &plan.bulk.to_string()]);
        command
    }
}
