//! What is measured on each row: a load, and what every process spends on it.

use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::Plan;
use crate::events::FIRST;
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
const CASES: [Case; 9] = [
    // The first, as what a stream takes is only seen where memory was never freed before.
    Case { name: "events, 1000", work: Work::Events, connections: 1000 },
    Case { name: "GET, 1", work: Work::Get, connections: 1 },
    Case { name: "GET, 16", work: Work::Get, connections: 16 },
    Case { name: "GET, 128", work: Work::Get, connections: 128 },
    Case { name: "GET, 2000/s", work: Work::Paced, connections: 16 },
    Case { name: "POST, 16", work: Work::Post, connections: 16 },
    Case { name: "connect, 16", work: Work::Connect, connections: 16 },
    Case { name: "down", work: Work::Down, connections: 1 },
    Case { name: "up", work: Work::Up, connections: 1 },
];

/// What one measurement says. Every CPU time is for one unit of work: microseconds a request or an event, milliseconds a
/// megabyte.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    /// Requests, events or megabytes a second.
    pub(crate) rate: f64,
    /// Milliseconds; not of megabytes.
    pub(crate) p50: Option<f64>,
    /// Milliseconds; not of megabytes.
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
    /// Bytes that an open stream has added to what is resident; events only.
    pub(crate) each: Option<f64>,
}

/// What a case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Request,
    Megabyte,
    Event,
}

/// Their names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|case| case.name)
}

/// The cases that `wishes` want, of all these `names`.
pub(crate) fn chosen(names: &[&str], wishes: &[String]) -> Vec<Case> {
    CASES.into_iter().filter(|case| crate::is_wanted(case.name, names, wishes)).collect()
}

impl Case {
    /// What it counts.
    pub(crate) fn unit(&self) -> Unit {
        match self.work {
            Work::Get | Work::Paced | Work::Post | Work::Connect => Unit::Request,
            Work::Down | Work::Up => Unit::Megabyte,
            Work::Events => Unit::Event,
        }
    }

    /// Puts the load on `row` once.
    pub(crate) async fn measure(&self, plan: &Plan, row: &Row, origin: &Process) -> Sample {
        let (mut load, mut said) = Process::spawn("load", &mut self.command(plan, row), Announces::Stdout);
        let patience = gantz_tests::PATIENCE + self.time(plan) * 2;
        let mut line = async |what: &str| {
            let line = tokio::time::timeout(patience, said.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("{}: no {what} on {}", self.name, row.name)).unwrap();
            line.unwrap_or_else(|| panic!("{}: the load failed on {} before its {what}", self.name, row.name))
        };
        let watched = [row.relay.as_ref(), row.agent.as_ref(), Some(origin)];
        let resident = || watched.map(|process| process.map(Process::resident));
        let mut held = None;
        if self.unit() == Unit::Event {
            assert_eq!(line("warmth").await, "warm");
            held = Some(resident());
            load.go_on().await;
        }
        assert_eq!(line("begin").await, "begin");
        let watched = [watched[0], watched[1], watched[2], Some(&load)];
        let before = watched.map(|process| {
            process.inspect(|process| process.reset_peak());
            process.map(Process::cpu)
        });
        let mut result = line("result").await;
        let after = watched.map(|process| Some((process?.cpu(), process?.peak())));
        let mut each = [None; 4];
        if let Some(before) = held {
            assert_eq!(result, "end");
            for ((each, before), after) in each.iter_mut().zip(before).zip(resident()) {
                *each =
                    before.zip(after).map(|(before, after)| more(before, after) / (self.connections - FIRST) as f64);
            }
            result = line("result").await;
        }
        load.succeed().await;

        let result: Value = serde_json::from_str(&result).unwrap();
        let number = |name: &str| result[name].as_f64();
        let count = number("count").unwrap();
        assert!(count > 0.0, "{}: nothing came through {}", self.name, row.name);
        let cost = |index: usize| {
            let Some((before, (after, peak))) = before[index].zip(after[index]) else { return Cost::default() };
            let cpu = self.shown(after.saturating_sub(before)) / count;
            Cost { cpu: Some(cpu), resident: Some(peak), each: each[index] }
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

    /// CPU in the unit of the report.
    fn shown(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * if self.unit() == Unit::Megabyte { 1e3 } else { 1e6 }
    }

    /// How long it counts: events for whole seconds, so that each stream has as many.
    fn time(&self, plan: &Plan) -> Duration {
        match self.unit() {
            Unit::Event => Duration::from_secs(plan.time.as_secs().max(1)),
            Unit::Request | Unit::Megabyte => plan.time,
        }
    }

    fn command(&self, plan: &Plan, row: &Row) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("load").args(row.target.args());
        let work = clap::ValueEnum::to_possible_value(&self.work).expect("no work is hidden");
        command.args(["--work", work.get_name(), "--connections", &self.connections.to_string()]);
        command.args(["--millis", &self.time(plan).as_millis().to_string(), "--bytes", &plan.bulk.to_string()]);
        command
    }
}

/// By how much it has grown; less than nothing where it has shrunk.
fn more(before: u64, after: u64) -> f64 {
    after as f64 - before as f64
}
