//! Medians as a table for people, and the figures of every round as JSON.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::run::{CALLERS, LINK, Sample, Scenario};

/// Everything measured so far.
pub(crate) struct Report {
    plan: Value,
    series: Vec<(Scenario, Vec<Sample>)>,
}

impl Report {
    /// Of nothing yet.
    pub(crate) fn new(rounds: u32, time: Duration) -> Self {
        if cfg!(debug_assertions) {
            eprintln!("this is no release build: the figures will be of no use");
        }
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let plan = json!({
            "rounds": rounds, "seconds": time.as_secs(), "callers": CALLERS, "load_before": load.trim(),
            "round_trip_ms": LINK.delay.as_millis() as u64 * 2, "bits_a_second": LINK.rate, "queue_bytes": LINK.queue,
        });
        Self { plan, series: Scenario::all().map(|scenario| (scenario, Vec::new())).collect() }
    }

    /// Adds a measurement.
    pub(crate) fn add(&mut self, scenario: Scenario, sample: Sample) {
        let series = self.series.iter_mut().find(|(of, _)| *of == scenario).expect("it is one of all");
        series.1.push(sample);
    }

    /// The table, on stdout.
    pub(crate) fn print(&self) {
        println!("plan {}\n", self.plan);
        println!(
            "| loss | beside | p50 ms | p99 ms | least–most p99 | requests/s | download MB/s | overran | queue ms |"
        );
        println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|");
        for (scenario, samples) in &self.series {
            let of = |figure: fn(&Sample) -> f64| median(samples.iter().map(figure).collect());
            let p99 = samples.iter().map(|sample| sample.p99);
            let least = p99.clone().fold(f64::INFINITY, f64::min);
            let download = median(samples.iter().filter_map(|sample| sample.download).collect());
            println!(
                "| {} % | {} | {:.0} | {:.0} | {least:.0}–{:.0} | {:.0} | {} | {:.2} % | {:.1} |",
                scenario.loss,
                if scenario.beside_download { "a download" } else { "nothing" },
                of(|sample| sample.p50).unwrap_or(0.0),
                of(|sample| sample.p99).unwrap_or(0.0),
                p99.fold(0.0, f64::max),
                of(|sample| sample.rate).unwrap_or(0.0),
                download.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.1}")),
                of(|sample| sample.overran).unwrap_or(0.0) * 100.0,
                of(|sample| sample.queued).unwrap_or(0.0),
            );
        }
    }

    /// Writes the figures of every round to `bench/link.json` in the target folder.
    pub(crate) fn write(&self) -> PathBuf {
        let program = std::env::current_exe().unwrap();
        let target = program.ancestors().nth(3).expect("target/PROFILE/deps/link");
        let folder = target.join("bench");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("link.json");
        let sample = |sample: &Sample| {
            json!({
                "p50_ms": sample.p50, "p99_ms": sample.p99, "rate": sample.rate, "download_mb_a_second": sample.download,
                "overran": sample.overran, "queued_ms": sample.queued,
            })
        };
        let series = |(scenario, samples): &(Scenario, Vec<Sample>)| {
            json!({
                "loss_percent": scenario.loss, "beside_download": scenario.beside_download,
                "samples": samples.iter().map(sample).collect::<Vec<_>>(),
            })
        };
        let report = json!({ "plan": self.plan, "series": self.series.iter().map(series).collect::<Vec<_>>() });
        fs::write(&path, format!("{report:#}\n")).unwrap();
        path
    }
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let (low, high) = (figures.len().checked_sub(1)? / 2, figures.len() / 2);
    Some((figures[low] + figures[high]) / 2.0)
}
