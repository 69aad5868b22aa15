//! Medians as a table for people, and the figures of every round as JSON.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::Plan;
use crate::cases::{Case, Cost, Sample, Unit};
use crate::rows::Rows;

/// A load average above which something else is running: then the figures are noise.
const BUSY: f64 = 0.7;

/// Everything measured so far.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Value,
    plan: Value,
    missing: Vec<(&'static str, String)>,
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
    ("rate", |series| rounded(series.median(|sample| Some(sample.rate)))),
    ("min–max", |series| {
        let rates = series.samples.iter().map(|sample| sample.rate);
        format!("{:.0}–{:.0}", rates.clone().fold(f64::INFINITY, f64::min), rates.fold(0.0, f64::max))
    }),
    ("p50 ms", |series| decimals(series.median(|sample| sample.p50))),
    ("p99 ms", |series| decimals(series.median(|sample| sample.p99))),
    ("relay", |series| decimals(series.median(|sample| sample.relay.cpu))),
    ("agent", |series| decimals(series.median(|sample| sample.agent.cpu))),
    ("origin", |series| decimals(series.median(|sample| sample.origin.cpu))),
    ("load", |series| decimals(series.median(|sample| sample.load.cpu))),
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
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let about = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = about.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1));
        let begun = jiff::Timestamp::now().strftime("%F").to_string();
        let busy = load.split(' ').next().and_then(|load| load.parse().ok()).is_some_and(|load: f64| load > BUSY);
        if busy {
            eprintln!("this machine is busy ({}): the figures will be noise", load.trim());
        }
        if cfg!(debug_assertions) {
            eprintln!("this is no release build: the figures will be of no use");
        }
        let resident = |process: &Option<crate::process::Process>| process.as_ref().map(|process| process.idle);
        Self {
            machine: json!({
                "begun": begun,
                "processors": processors,
                "model": model,
                "kernel": kernel.trim(),
                "load_before": load.trim(),
                "busy": busy,
            }),
            plan: json!({ "rounds": plan.rounds, "seconds": plan.time.as_secs_f64(), "bulk_bytes": plan.bulk }),
            missing: rows.missing.clone(),
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

    /// The table, on stdout.
    pub(crate) fn print(&self) {
        println!("plan {}, machine {}", self.plan, self.machine);
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
        for (row, why) in &self.missing {
            println!("{row}: {why}");
        }
    }

    /// Writes the figures of every round to `bench/speed.json` in the target folder.
    pub(crate) fn write(&self) -> PathBuf {
        let program = std::env::current_exe().unwrap();
        let target = program.ancestors().nth(3).expect("target/PROFILE/deps/speed");
        let folder = target.join("bench");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("speed.json");
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
        let missing: Vec<Value> = self.missing.iter().map(|(row, why)| json!({ "row": row, "why": why })).collect();
        let report = json!({
            "machine": self.machine, "plan": self.plan, "missing": missing, "idle_resident": idle,
            "series": self.series.iter().map(series).collect::<Vec<_>>(),
        });
        fs::write(&path, format!("{report:#}\n")).unwrap();
        path
    }
}

impl Series {
    fn median(&self, figure: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let mut figures: Vec<f64> = self.samples.iter().filter_map(figure).collect();
        figures.sort_by(f64::total_cmp);
        let (low, high) = (figures.len().checked_sub(1)? / 2, figures.len() / 2);
        Some((figures[low] + figures[high]) / 2.0)
    }
}

fn rounded(figure: Option<f64>) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.0}"))
}

fn decimals(figure: Option<f64>) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.2}"))
}

fn mib(bytes: Option<f64>) -> String {
    bytes.map_or_else(|| "–".to_owned(), |bytes| format!("{:.1}", bytes / f64::from(1 << 20)))
}

fn kib(bytes: Option<f64>) -> String {
    bytes.map_or_else(|| "–".to_owned(), |bytes| format!("{:.1}", bytes / 1024.0))
}

/// A Markdown table whose columns stand under each other.
fn table(lines: &[Vec<String>]) -> String {
    let columns = 0..lines.first().map_or(0, Vec::len);
    let wide = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let width: Vec<usize> = columns.clone().map(wide).collect();
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        for (column, cell) in line.iter().enumerate() {
            let space = " ".repeat(width[column] - cell.chars().count());
            text += &if column == 0 { format!("| {cell}{space} ") } else { format!("| {space}{cell} ") };
        }
        text += "|\n";
        if index == 0 {
            let rule = |column: usize| {
                if column == 0 { "-".repeat(width[0] + 2) } else { "-".repeat(width[column] + 1) + ":" }
            };
            text += &columns.clone().map(|column| format!("|{}", rule(column))).collect::<String>();
            text += "|\n";
        }
    }
    text
}
