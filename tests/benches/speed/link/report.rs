//! What was measured over the link: medians as tables for people, and the figures of every round as JSON.

use serde_json::{Value, json};

use super::case::{CALLERS, Case, LINK, Sample, Small, Work};
use super::simulator::MTU;
use crate::Plan;
use gantz_tests::bench::table::{median, range, shown, table};

/// Everything measured so far.
#[derive(Debug)]
pub(crate) struct Report {
    plan: Value,
    series: Vec<Series>,
}

#[derive(Debug)]
struct Series {
    row: &'static str,
    case: Case,
    samples: Vec<Sample>,
}

/// One column of a table.
type Column = (&'static str, fn(&Series) -> String);

const REQUESTS: [Column; 11] = [
    ("row", |series| series.row.to_owned()),
    ("p50 ms", |series| series.median(|sample| Some(sample.alone?.p50), 0)),
    ("p99 ms", |series| series.median(|sample| Some(sample.alone?.p99), 0)),
    ("requests/s", |series| series.median(|sample| Some(sample.alone?.rate), 0)),
    ("beside: p50 ms", |series| series.median(|sample| Some(sample.beside?.p50), 0)),
    ("p99 ms", |series| series.median(|sample| Some(sample.beside?.p99), 0)),
    ("its min–max", |series| series.range(|sample| Some(sample.beside?.p99), 0)),
    ("requests/s", |series| series.median(|sample| Some(sample.beside?.rate), 0)),
    ("download MB/s", |series| series.median(|sample| Some(sample.download), 1)),
    ("overran %", |series| series.median(|sample| sample.overran(), 2)),
    ("queue ms", |series| series.median(|sample| sample.queued(), 1)),
];

const SHARED: [Column; 8] = [
    ("row", |series| series.row.to_owned()),
    ("row MB/s", |series| series.median(|sample| Some(sample.download), 1)),
    ("min–max", |series| series.range(|sample| Some(sample.download), 1)),
    ("CUBIC MB/s", |series| series.median(|sample| sample.rival, 1)),
    ("min–max", |series| series.range(|sample| sample.rival, 1)),
    ("row's share %", |series| series.median(|sample| Some(sample.share()? * 100.0), 0)),
    ("overran %", |series| series.median(|sample| sample.overran(), 2)),
    ("queue ms", |series| series.median(|sample| sample.queued(), 1)),
];

impl Report {
    /// Of nothing yet.
    pub(crate) fn new(plan: &Plan, tcp: &Value) -> Self {
        let plan = json!({
            "rounds": plan.rounds, "seconds": plan.link_time.as_secs_f64(),
            "seconds_shared": plan.shared_time.as_secs_f64(), "callers": CALLERS, "mtu": MTU,
            "round_trip_ms": LINK.delay.as_millis() as u64 * 2, "bits_a_second": LINK.rate, "tcp": tcp,
        });
        Self { plan, series: Vec::new() }
    }

    /// Adds a measurement.
    pub(crate) fn add(&mut self, row: &'static str, case: &Case, sample: Sample) {
        match self.series.iter_mut().find(|series| series.row == row && series.case.name == case.name) {
            Some(series) => series.samples.push(sample),
            None => self.series.push(Series { row, case: *case, samples: vec![sample] }),
        }
    }

    /// Puts rows in this order, whichever was measured first.
    pub(crate) fn sort(&mut self, rows: &[&str]) {
        self.series.sort_by_key(|series| rows.iter().position(|row| *row == series.row));
    }

    /// The tables, on stdout.
    pub(crate) fn print(&self, cases: &[Case]) {
        println!("\nlink {}", self.plan);
        for case in cases {
            let (what, columns): (_, &[Column]) = match case.work {
                Work::Requests => ("small requests alone, and beside a download", &REQUESTS),
                Work::Shared => ("a download beside one of plain TCP", &SHARED),
            };
            let mut lines = vec![columns.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>()];
            let series = self.series.iter().filter(|series| series.case.name == case.name);
            lines.extend(series.map(|series| columns.iter().map(|(_, cell)| cell(series)).collect()));
            println!("\n### {} ({what})\n\n{}", case.name, table(&lines));
        }
    }

    /// The figures of every round.
    pub(crate) fn json(&self) -> Value {
        let series: Vec<Value> = self.series.iter().map(Series::json).collect();
        json!({ "plan": self.plan, "series": series })
    }
}

impl Series {
    fn median(&self, figure: impl Fn(&Sample) -> Option<f64>, decimals: usize) -> String {
        shown(median(self.samples.iter().filter_map(figure)), decimals)
    }

    fn range(&self, figure: impl Fn(&Sample) -> Option<f64>, decimals: usize) -> String {
        range(self.samples.iter().filter_map(figure), decimals)
    }

    fn json(&self) -> Value {
        let mut told = self.case.told();
        told["row"] = json!(self.row);
        told["samples"] = self.samples.iter().map(Sample::json).collect();
        told
    }
}

impl Sample {
    /// Share of the packets from the agent that the queue had no room for.
    fn overran(&self) -> Option<f64> {
        let passed = &self.up.passed;
        (passed.came > 0).then(|| passed.overran as f64 / passed.came as f64 * 100.0)
    }

    /// Milliseconds that those which went through waited in the queue, on average.
    fn queued(&self) -> Option<f64> {
        self.each(self.up.passed.waited)
    }

    /// Of what both downloads got.
    fn share(&self) -> Option<f64> {
        Some(self.download / (self.download + self.rival?))
    }

    fn each(&self, all: std::time::Duration) -> Option<f64> {
        let passed = &self.up.passed;
        let through = passed.came - passed.lost - passed.overran;
        (through > 0).then(|| all.as_secs_f64() * 1e3 / through as f64)
    }

    fn json(&self) -> Value {
        let small = |small: Small| json!({ "p50_ms": small.p50, "p99_ms": small.p99, "rate": small.rate });
        json!({
            "alone": self.alone.map(small), "beside": self.beside.map(small), "download_mb_a_second": self.download,
            "cubic_mb_a_second": self.rival, "overran_percent": self.overran(), "queued_ms": self.queued(),
            "late_ms": self.each(self.up.late),
        })
    }
}
