//! What was measured on loopback: medians as tables for people, and the figures of every round as JSON.

use serde_json::{Value, json};

use crate::Plan;
use crate::cases::{Case, Cost, Sample, Unit};
use crate::process::Process;
use crate::rows::Rows;
use gantz_tests::bench::table::{median, range, shown, table};

/// Everything measured there so far.
#[derive(Debug)]
pub(crate) struct Report {
    plan: Value,
    /// Name, and resident bytes of relay and agent before the first request.
    idle: Vec<(&'static str, Option<u64>, Option<u64>)>,
    series: Vec<Series>,
}

#[derive(Debug)]
struct Series {
    row: &'static str,
    case: Case,
    samples: Vec<Sample>,
}

/// One column of the table.
type Column = (&'static str, fn(&Series) -> String);

const COLUMNS: [Column; 9] = [
    ("row", |series| series.row.to_owned()),
    ("rate", |series| shown(series.median(|sample| Some(sample.rate)), 0)),
    ("min–max", |series| range(series.samples.iter().map(|sample| sample.rate), 0)),
    ("p50 ms", |series| shown(series.median(|sample| sample.p50), 2)),
    ("p99 ms", |series| shown(series.median(|sample| sample.p99), 2)),
    ("relay", |series| shown(series.median(|sample| sample.relay.cpu), 2)),
    ("agent", |series| shown(series.median(|sample| sample.agent.cpu), 2)),
    ("origin", |series| shown(series.median(|sample| sample.origin.cpu), 2)),
    ("load", |series| shown(series.median(|sample| sample.load.cpu), 2)),
];

/// What is said of memory besides: its peak, or of streams what one takes.
const PEAK: [Column; 2] = [
    ("relay MiB", |series| mib(series.median(|sample| sample.relay.resident.map(|bytes| bytes as f64)))),
    ("agent MiB", |series| mib(series.median(|sample| sample.agent.resident.map(|bytes| bytes as f64)))),
];

/// Of the first round, as in later ones what earlier ones have freed is there to be taken.
const EACH: [Column; 2] = [
    ("relay KiB each", |series| kib(series.samples.first().and_then(|sample| sample.relay.each))),
    ("agent KiB each", |series| kib(series.samples.first().and_then(|sample| sample.agent.each))),
];

impl Report {
    /// A report of nothing yet.
    pub(crate) fn new(plan: &Plan, rows: &Rows) -> Self {
        let resident = |process: &Option<Process>| process.as_ref().map(|process| process.idle);
        Self {
            plan: json!({ "rounds": plan.rounds, "seconds": plan.time.as_secs_f64(), "bulk_bytes": plan.bulk }),
            idle: rows.running.iter().map(|row| (row.name, resident(&row.relay), resident(&row.agent))).collect(),
            series: Vec::new(),
        }
    }

    /// Adds a measurement.
    pub(crate) fn add(&mut self, row: &'static str, case: &Case, sample: Sample) {
        match self.series.iter_mut().find(|series| series.row == row && series.case.name == case.name) {
            Some(series) => series.samples.push(sample),
            None => self.series.push(Series { row, case: *case, samples: vec![sample] }),
        }
    }

    /// The tables, on stdout.
    pub(crate) fn print(&self) {
        println!("plan {}", self.plan);
        let mut cases: Vec<&Case> = Vec::new();
        for series in &self.series {
            if !cases.iter().any(|case| case.name == series.case.name) {
                cases.push(&series.case);
            }
        }
        for case in cases {
            let (what, memory) = match case.unit() {
                Unit::Request => ("requests/s, CPU in µs/request", PEAK),
                Unit::Megabyte => ("MB/s, CPU in ms/MB", PEAK),
                Unit::Event => ("events/s, CPU in µs/event", EACH),
            };
            let columns: Vec<Column> = COLUMNS.into_iter().chain(memory).collect();
            let mut lines = vec![columns.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>()];
            for (name, ..) in &self.idle {
                let series = self.series.iter().find(|series| series.row == *name && series.case.name == case.name);
                lines.extend(series.map(|series| columns.iter().map(|(_, cell)| cell(series)).collect()));
            }
            println!("\n### {} ({what})\n\n{}", case.name, table(&lines));
        }
        let mut lines = vec![vec!["row".to_owned(), "relay MiB".to_owned(), "agent MiB".to_owned()]];
        let bytes = |bytes: Option<u64>| mib(bytes.map(|bytes| bytes as f64));
        lines.extend(self.idle.iter().map(|(row, relay, agent)| vec![(*row).to_owned(), bytes(*relay), bytes(*agent)]));
        println!("\n### Idle, before the first request (resident)\n\n{}", table(&lines));
    }

    /// The figures of every round.
    pub(crate) fn json(&self) -> Value {
        let cost = |cost: Cost| json!({ "cpu": cost.cpu, "resident": cost.resident, "resident_each": cost.each });
        let sample = |sample: &Sample| {
            json!({
                "rate": sample.rate, "p50_ms": sample.p50, "p99_ms": sample.p99,
                "relay": cost(sample.relay), "agent": cost(sample.agent),
                "origin": cost(sample.origin), "load": cost(sample.load),
            })
        };
        let series = |series: &Series| {
            let samples: Vec<Value> = series.samples.iter().map(sample).collect();
            let unit = match series.case.unit() {
                Unit::Request => "request",
                Unit::Megabyte => "MB",
                Unit::Event => "event",
            };
            json!({ "row": series.row, "case": series.case.name, "unit": unit, "samples": samples })
        };
        let idle: Vec<Value> =
            self.idle.iter().map(|(row, relay, agent)| json!({ "row": row, "relay": relay, "agent": agent })).collect();
        let series = self.series.iter().map(series).collect::<Vec<_>>();
        json!({ "plan": self.plan, "idle_resident": idle, "series": series })
    }
}

impl Series {
    fn median(&self, figure: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        median(self.samples.iter().filter_map(figure))
    }
}

fn mib(bytes: Option<f64>) -> String {
    shown(bytes.map(|bytes| bytes / f64::from(1 << 20)), 1)
}

fn kib(bytes: Option<f64>) -> String {
    shown(bytes.map(|bytes| bytes / 1024.0), 1)
}
