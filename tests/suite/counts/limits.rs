//! What was counted last, and how much more may be.

use std::collections::BTreeMap;

use tokio::process::Command;

use crate::table::{ALLOCATIONS, Row, Table};

/// What to do when a limit is exceeded.
pub(crate) const HOW: &str = "Where it is meant, say why in the change and run:\n    \
    cp target/counts/limits.txt tests/suite/counts/limits.txt\n\
    Where nothing of the hot path was changed, compare the compiler with the one that limits.txt names.";

/// What is recorded, by its row's name.
pub(crate) struct Limits(BTreeMap<&'static str, f64>);

impl Limits {
    /// Those of `limits.txt`.
    pub(crate) fn recorded() -> Self {
        let lines = include_str!("limits.txt").lines().filter(|line| !line.starts_with('#'));
        let row = |line: &'static str| {
            let (name, count) = line.rsplit_once(' ').expect("a name and a count");
            (name.trim_end(), count.parse().expect("a count"))
        };
        Self(lines.map(row).collect())
    }

    /// What is recorded of a row.
    pub(crate) fn of(&self, row: &str) -> Option<f64> {
        self.0.get(row).copied()
    }

    /// What is wrong with `table`, a line each.
    pub(crate) fn exceeded(&self, table: &Table) -> Vec<String> {
        let over = table.rows.iter().filter_map(|Row { name, count }| match self.of(name) {
            None => Some(format!("{name}: {count:.1}, and no limit is recorded")),
            Some(recorded) if *count > limit(name, recorded) => {
                let more = (count / recorded - 1.0) * 100.0;
                Some(format!(
                    "{name}: {count:.1} instead of {recorded:.1} (+{more:.0} %), limit {:.1}",
                    limit(name, recorded)
                ))
            }
            Some(_) => None,
        });
        let gone = self.0.keys().filter(|name| !table.rows.iter().any(|row| row.name == **name));
        over.chain(gone.map(|name| format!("{name}: recorded, and not counted"))).collect()
    }
}

/// A tenth more; of allocations 2 at least, as timers and batches of the log come when they come.
fn limit(name: &str, recorded: f64) -> f64 {
    let room = recorded / 10.0;
    recorded + if name.ends_with(ALLOCATIONS) { room.max(2.0) } else { room }
}

/// `limits.txt` as it would be after this run.
pub(crate) async fn written(table: &Table) -> String {
    let version = |program: &'static str| async move {
        let output = Command::new(program).arg("--version").output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let (compiler, valgrind) = (version("rustc").await, version("valgrind").await);
    let mut text = format!(
        "# Counted with {compiler} and {valgrind}, a request: allocations, and instructions of the other pieces.\n\
         # main.rs says how to read and to raise these.\n"
    );
    for row in &table.rows {
        text.push_str(&format!("{:<34}{:>8.1}\n", row.name, row.count));
    }
    text
}
