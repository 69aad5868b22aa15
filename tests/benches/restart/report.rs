//! Medians and maxima as a table, and what callers were told.

use std::time::Duration;

use crate::load::Verdict;

/// One restart. All times but the first count from the moment when the relay listens again.
pub(crate) struct Restart {
    /// From the kill until it listens.
    pub(crate) starting: Duration,
    /// Until the agent knows that its tunnel is lost.
    pub(crate) lost: Duration,
    /// Until it has a new one.
    pub(crate) back: Duration,
    /// Until the first 200.
    pub(crate) answered: Duration,
    pub(crate) by_tcp: bool,
}

/// A row of the table, and what of a restart it shows.
type Row = (&'static str, fn(&Restart) -> Duration);

/// All of them.
#[derive(Default)]
pub(crate) struct Report(Vec<Restart>);

impl Report {
    pub(crate) fn add(&mut self, restart: Restart) {
        self.0.push(restart);
    }

    pub(crate) fn print(&self, verdict: &Verdict) {
        println!("{} restarts; milliseconds\n", self.0.len());
        println!("| | least | median | maximum |\n|---|---:|---:|---:|");
        let rows: [Row; 4] = [
            ("from the kill until the relay listens", |restart| restart.starting),
            ("from there until the agent has noticed", |restart| restart.lost),
            ("until the tunnel is open again", |restart| restart.back),
            ("until the first 200", |restart| restart.answered),
        ];
        for (name, of) in rows {
            let mut all: Vec<f64> = self.0.iter().map(|restart| of(restart).as_secs_f64() * 1000.0).collect();
            all.sort_by(f64::total_cmp);
            let median = f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2]);
            println!("| {name} | {:.0} | {median:.0} | {:.0} |", all[0], all[all.len() - 1]);
        }
        let by_tcp = self.0.iter().filter(|restart| restart.by_tcp).count();
        println!("\nback over TCP: {by_tcp} of {}", self.0.len());
        let counts = verdict.counts();
        println!("\n| what callers got | times |\n|---|---:|");
        for (what, times) in counts.came.iter().chain(&counts.unanswered) {
            println!("| {what} | {times} |");
        }
        println!("\nwrong answers: {}", counts.faults.len());
        for fault in &counts.faults {
            println!("- {fault}");
        }
    }
}
