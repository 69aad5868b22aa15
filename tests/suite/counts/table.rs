//! What was counted, a request.

use crate::limits::Limits;
use crate::pieces::{self, ALLOCATORS, Piece, is_chosen_by_cpu};
use crate::profile::{Calls, Profile};

/// The row of allocations.
pub(crate) const ALLOCATIONS: &str = "allocations";

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
    /// What has no limit.
    others: Vec<Row>,
}

pub(crate) struct Row {
    /// Process, kind of request and piece.
    pub(crate) name: String,
    /// Instructions, or allocations.
    pub(crate) count: f64,
}

impl Table {
    /// What `profile` says of a process that has answered so many requests of a kind.
    pub(crate) fn add(&mut self, process: &str, kind: &str, profile: &Profile, requests: f64) {
        let row =
            |what: &str, count: u64| Row { name: format!("{process} {kind} {what}"), count: count as f64 / requests };
        let allocated = ALLOCATORS.iter().filter_map(|function| profile.calls(function)).map(|calls| calls.count).sum();
        self.rows.push(row(ALLOCATIONS, allocated));
        self.rows.push(row("whole", profile.without(is_chosen_by_cpu)));
        for piece in pieces::of(process) {
            self.rows.push(row(piece.name, instructions(piece, profile, requests)));
        }
        self.others.push(row("everything", profile.instructions));
    }

    /// For people to read.
    pub(crate) fn text(&self, limits: &Limits) -> String {
        let mut text = format!("{:<34}{:>10}{:>10}\n", "a request", "counted", "recorded");
        for row in self.rows.iter().chain(&self.others) {
            let recorded = limits.of(&row.name).map_or("–".to_owned(), |recorded| format!("{recorded:.1}"));
            text.push_str(&format!("{:<34}{:>10.1}{recorded:>10}\n", row.name, row.count));
        }
        text
    }
}

fn instructions(piece: &Piece, profile: &Profile, requests: f64) -> u64 {
    let calls = |function: &str| match profile.calls(function) {
        // What is called more rarely is not what this piece was about.
        Some(calls) if calls.count as f64 >= requests * 0.9 => calls,
        other => panic!(
            "`{function}` was called {} times in {requests} requests: was it renamed, or put into its caller by another \
             compiler? tests/suite/counts/pieces.rs names the functions.",
            other.map_or(0, |calls| calls.count)
        ),
    };
    let all: u64 = piece.functions.iter().map(|function| calls(function).instructions).sum();
    let left_out = piece.without.map_or(0, |function| {
        let Calls { count, instructions } = calls(function);
        assert!(
            count as f64 <= requests * 1.1,
            "`{function}`, which has no limit, was called {count} times in {requests} requests"
        );
        instructions
    });
    all - left_out
}
