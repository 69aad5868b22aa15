//! Everything measured: printed as it comes, and written down at last, as JSON and as a picture.

use std::fs;
use std::path::PathBuf;

use gantz_tests::bench::machine;
use serde_json::{Value, json};

use crate::idle::Row as Idle;
use crate::lanes::LANES;
use crate::load::{Measured, Row as Load};
use crate::picture::{self, Column, Panel};
use crate::tables::{Table, busy_each, bytes_each};
use crate::world::{RAISED, RAISED_UNDER_LOAD};
use crate::{Plan, tables};

/// Everything measured so far.
pub(crate) struct Report {
    machine: Value,
    plan: Value,
    tables: Vec<Value>,
    columns: Vec<Column>,
}

impl Report {
    /// Of nothing yet; says what was raised.
    pub(crate) fn new(files: u64, plan: &Plan) -> Self {
        let machine = machine::describe();
        let settings = json!({
            "open_files": files, "raised": RAISED, "raised_under_load": RAISED_UNDER_LOAD,
            "level_seconds": plan.level.as_secs(), "load_seconds": plan.time.as_secs_f64(),
            "requests_at_a_time": LANES,
        });
        println!("machine {machine}");
        println!("raised of the relay, as all come from one address: {}", RAISED.join(" "));
        println!("files each process may open: {files}; memory is level when it has not changed for {:?}", plan.level);
        println!(
            "load: {LANES} requests at a time, {:?}; of the relay is raised besides: {}",
            plan.time,
            RAISED_UNDER_LOAD.join(" ")
        );
        Self { machine, plan: settings, tables: Vec::new(), columns: Vec::new() }
    }

    /// Prints what was found.
    pub(crate) fn add(&mut self, table: Table, idle: &[Idle], load: &[Load]) {
        let (rows, loads) = (tables::idle(table, idle), tables::load(table, load));
        self.tables.push(json!({ "table": table.name(), "rows": rows, "load": loads }));
        self.columns.push(column(table, idle, load));
    }

    /// Writes it to `bench/growth.json` in the target folder, and the picture to `picture`, or beside it.
    pub(crate) fn write(self, picture: Option<PathBuf>) -> [PathBuf; 2] {
        let program = std::env::current_exe().unwrap();
        let target = program.ancestors().nth(3).expect("target/PROFILE/deps/growth");
        let folder = target.join("bench");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("growth.json");
        let report = json!({ "machine": self.machine, "plan": self.plan, "tables": self.tables });
        fs::write(&path, format!("{report:#}\n")).unwrap();
        let picture = picture.unwrap_or_else(|| folder.join("growth.svg"));
        fs::write(&picture, picture::draw(&self.columns)).unwrap();
        [path, picture]
    }
}

/// A table as it is drawn.
fn column(table: Table, idle: &[Idle], load: &[Load]) -> Column {
    let mut drawn: Vec<&Idle> = idle.iter().filter(|row| row.open > 0).collect();
    // The last of streams is once more as many.
    drawn.dedup_by_key(|row| row.open);
    let line = |figure: &dyn Fn(&Idle) -> Option<f64>| {
        drawn.iter().filter_map(|row| Some((row.open as f64, figure(row)?))).collect::<Vec<_>>()
    };
    let kib = |row: &Idle, of| Some(bytes_each(idle.first()?, row, of)? as f64 / 1024.0);
    let mut panels = vec![
        Panel::of_processes("memory each, KiB", [0, 1].map(|of| line(&|row| kib(row, of)))),
        Panel::of_processes("CPU each while idle, µs a second", [0, 1].map(|of| line(&|row| busy_each(row, of)))),
    ];
    let requests: Vec<_> = load.iter().map(|row| (row.open as f64, &row.requests)).collect();
    let events: Vec<_> = load.iter().filter_map(|row| Some((row.open as f64, row.events.as_ref()?))).collect();
    panels.extend(loads("CPU a request, µs", &format!("a request, {LANES} at a time, ms"), &requests));
    if !events.is_empty() {
        panels.extend(loads("CPU an event, µs", "an event until it is read, ms", &events));
    }
    Column { title: table.name(), panels }
}

/// What requests or events cost, and how long they take.
fn loads(cost: &str, time: &str, of: &[(f64, &Measured)]) -> [Panel; 2] {
    let line = |figure: &dyn Fn(&Measured) -> f64| of.iter().map(|(open, found)| (*open, figure(found))).collect();
    [
        Panel::of_processes(cost, [0, 1].map(|process| line(&|found| found.cost[process]))),
        Panel::of_times(time, [line(&|found| found.p50), line(&|found| found.p99)]),
    ]
}
