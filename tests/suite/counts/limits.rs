//! What was counted last, and how much more may be.

use std::collections::BTreeMap;

use tokio::process::Command;

use crate::table::{ALLOCATIONS, Row, Table};

/// What to do when a limit is exceeded.
pub(crate) const HOW: &str = "Where it is meant, say why in the change and run:\n    \
    cp target/counts/limits.txt tests/suite/counts/limits.txt\n\
    Where nothing of the hot path was changed, compare the compiler and its settings with the ones that were recorded.";

/// More instructions than recorded that a piece, or the whole, may take, as a share of them.
const ROOM: f64 = 0.1;

/// The same where another compiler has built it than the one that is recorded: it is not the change's doing then.
const ROOM_OF_ANOTHER_COMPILER: f64 = 0.3;

/// More allocations than recorded that a request may make, as a share of them; and at least. Timers and batches of the log
/// come when they come.
const ROOM_OF_ALLOCATIONS: (f64, f64) = (0.1, 2.0);

/// What is recorded.
pub(crate) struct Limits {
    /// By the row's name.
    rows: BTreeMap<&'static str, f64>,
    /// As a share of the instructions.
    room: f64,
}

impl Limits {
    /// Those of `limits.txt`, for what this compiler has built.
    pub(crate) async fn recorded() -> Self {
        let text = include_str!("limits.txt");
        let row = |line: &'static str| {
            let (name, count) = line.rsplit_once(' ').expect("a name and a count");
            (name.trim_end(), count.parse().expect("a count"))
        };
        let rows = text.lines().filter(|line| !line.starts_with('#')).map(row).collect();
        let room = if text.contains(&version("rustc").await) { ROOM } else { ROOM_OF_ANOTHER_COMPILER };
        Self { rows, room }
    }

    /// What is recorded of a row.
    pub(crate) fn of(&self, row: &str) -> Option<f64> {
        self.rows.get(row).copied()
    }

    /// What is wrong with `table`, a line each.
    pub(crate) fn exceeded(&self, table: &Table) -> Vec<String> {
        let over = table.rows.iter().filter_map(|row| self.over(row));
        let gone = self.rows.keys().filter(|name| !table.rows.iter().any(|row| row.name == **name));
        over.chain(gone.map(|name| format!("{name}: recorded, and not counted"))).collect()
    }

    fn over(&self, Row { name, count }: &Row) -> Option<String> {
        let Some(recorded) = self.of(name) else {
            return Some(format!("{name}: {count:.1}, and no limit is recorded"));
        };
        let (share, least) = if name.ends_with(ALLOCATIONS) { ROOM_OF_ALLOCATIONS } else { (self.room, 0.0) };
        let limit = recorded + (recorded * share).max(least);
        let more = (count / recorded - 1.0) * 100.0;
        (*count > limit)
            .then(|| format!("{name}: {count:.1} instead of {recorded:.1} (+{more:.0} %), limit {limit:.1}"))
    }
}

/// `limits.txt` as it would be after this run.
pub(crate) async fn written(table: &Table) -> String {
    let (compiler, valgrind) = (version("rustc").await, version("valgrind").await);
    let mut text = format!(
        "# Counted with {compiler}, {valgrind}. A request: allocations, and instructions of the whole and of pieces.\n\
         # main.rs says how to read these and how to raise them.\n"
    );
    for row in &table.rows {
        text.push_str(&format!("{:<34}{:>8.1}\n", row.name, row.count));
    }
    text
}

async fn version(program: &str) -> String {
    let output = Command::new(program).arg("--version").output().await;
    let output = output.unwrap_or_else(|error| panic!("{program} --version: {error}"));
    assert!(output.status.success(), "{program} --version: {}", output.status);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
