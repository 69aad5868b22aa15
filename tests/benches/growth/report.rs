//! Everything measured: printed as it comes, and written down at last, as JSON and as a picture.

use std::fs;
use std::path::PathBuf;

use gantz_tests::bench::machine;
use serde_json::{Value, json};

use crate::bodies::BODIES;
use crate::idle::Row as Idle;
use crate::load::{Row as Load, Sample, Work};
use crate::picture::{self, Column, Line, Panel};
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
            "level_seconds": plan.level.as_secs(), "load_seconds": plan.time.as_secs_f64(), "rounds": plan.rounds,
            "body_bytes": plan.bulk, "bodies": BODIES,
        });
        println!("machine {machine}");
        println!("raised of the relay, as all come from one address: {}", RAISED.join(" "));
        println!("files each process may open: {files}; memory is level when it has not changed for {:?}", plan.level);
        println!(
            "load: {} rounds of {:?}, and of {BODIES} bodies of {} MB; of the relay is raised besides: {}",
            plan.rounds,
            plan.time,
            plan.bulk as f64 / 1e6,
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
    let held = |figure: &dyn Fn(&Idle) -> Option<f64>| {
        drawn.iter().filter_map(|row| Some((row.open as f64, figure(row)?))).collect::<Line>()
    };
    let kib = |row: &Idle, of| Some(bytes_each(idle.first()?, row, of)? as f64 / 1024.0);
    let line = |work, figure: &dyn Fn(&Sample) -> Option<f64>| {
        load.iter().filter_map(|row| Some((row.open as f64, row.load(work)?.median(figure)?))).collect::<Line>()
    };
    let rate = |work| line(work, &|sample| Some(sample.rate));
    let processes = ["relay", "agents"];
    let costs = |says, work, unit: f64| {
        let cost = |of: usize| line(work, &move |sample| Some(sample.cost[of] / unit));
        Panel::new(says, [(processes[0], cost(0)), (processes[1], cost(1))])
    };
    let times = |says, work| {
        Panel::new(says, [("p50", line(work, &|sample| sample.p50)), ("p99", line(work, &|sample| sample.p99))])
    };
    let requests = Work::Requests(16);
    let connections = Work::Connections(16);
    let mut panels = vec![
        Panel::new("memory each, KiB", [0, 1].map(|of| (processes[of], held(&|row| kib(row, of))))),
        Panel::new(
            "CPU each while idle, µs a second",
            [0, 1].map(|of| (processes[of], held(&|row| busy_each(row, of)))),
        ),
        Panel::new(
            "requests a second",
            [
                ("1 at a time", rate(Work::Requests(1))),
                ("16 at a time", rate(requests)),
                ("128 at a time", rate(Work::Requests(128))),
                ("new connections, 16 at a time", rate(connections)),
            ],
        ),
        times("a request, 16 at a time, ms", requests),
        costs("CPU a request, 16 at a time, µs", requests, 1.0),
        costs("CPU a request on a new connection, µs", connections, 1.0),
        Panel::new("a body, MB a second", [("down", rate(Work::Down)), ("up", rate(Work::Up))]),
        costs("CPU a MB down, ms", Work::Down, 1e3),
        costs("CPU a MB up, ms", Work::Up, 1e3),
    ];
    if load.iter().any(|row| row.load(Work::Events).is_some()) {
        panels.push(costs("CPU an event, µs", Work::Events, 1.0));
        panels.push(times("an event until it is read, ms", Work::Events));
    }
    Column { title: table.name(), panels }
}
