//! A table for people, the same as JSON, and a picture.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::TUNNELS;
use crate::memory::Resident;
use crate::picture::{self, Panel};
use crate::world::RAISED;

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Table {
    Tunnels,
    Http1,
    Http2,
}

impl Table {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tunnels => "idle tunnels",
            Self::Http1 => "streams over HTTP/1.1",
            Self::Http2 => "streams over HTTP/2",
        }
    }

    fn says(self) -> String {
        match self {
            Self::Tunnels => "of one agent each".to_owned(),
            Self::Http1 => format!("over {TUNNELS} tunnels, each on a TLS connection of its own"),
            Self::Http2 => format!("over {TUNNELS} tunnels, a TLS connection for the streams of each"),
        }
    }
}

/// What was found with so many of them open.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) open: usize,
    /// Until they were open.
    pub(crate) took: Duration,
    pub(crate) resident: Resident,
    /// Events of one that was sent to all, and until all had it.
    pub(crate) delivered: Option<(u64, Duration)>,
}

impl Row {
    /// Before the first.
    pub(crate) fn first(resident: Resident) -> Self {
        Self { open: 0, took: Duration::ZERO, resident, delivered: None }
    }
}

/// Everything measured so far.
pub(crate) struct Report {
    machine: Value,
    tables: Vec<Value>,
    memory: Vec<Panel>,
    processor: Vec<Panel>,
}

impl Report {
    /// Of nothing yet; says what was raised.
    pub(crate) fn new(files: u64, level: Duration) -> Self {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        if cfg!(debug_assertions) {
            eprintln!("this is no release build: the figures will be of no use");
        }
        let machine = json!({
            "processors": processors, "kernel": kernel.trim(), "load_before": load.trim(), "open_files": files,
            "raised": RAISED, "level_seconds": level.as_secs(),
        });
        println!("machine {machine}");
        println!("raised of the relay, as all come from one address: {}", RAISED.join(" "));
        println!("files each process may open: {files}; memory is level when it has not changed for {level:?}");
        Self { machine, tables: Vec::new(), memory: Vec::new(), processor: Vec::new() }
    }

    /// Prints a table.
    pub(crate) fn add(&mut self, table: Table, rows: &[Row]) {
        println!("\n### {}, {}\n", table.name(), table.says());
        println!(
            "| open | relay MiB | bytes each | bytes each of the last | agents MiB | bytes each | bytes each of the last | \
             CPU µs/s each, relay | agents | opened in s | one event to all |"
        );
        println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|");
        let Some(first) = rows.first() else { return };
        let mut written = Vec::new();
        let mut before = first;
        for row in rows {
            let each = |of: usize| bytes_each(first, row, of);
            let last = |of: usize| bytes_each(before, row, of);
            let columns =
                |of: usize| format!("{} | {} | {}", mib(row.resident.bytes[of]), shown(each(of)), shown(last(of)));
            let event = match row.delivered {
                Some((events, took)) => format!("{events} came, in {:.0} ms", took.as_secs_f64() * 1e3),
                None => "–".to_owned(),
            };
            let note = if row.resident.is_level { "" } else { " (memory still moved)" };
            let seconds = row.took.as_secs_f64();
            let busy = |of: usize| busy_each(row, of).map_or_else(|| "–".to_owned(), |busy| format!("{busy:.1}"));
            println!(
                "| {} | {} | {} | {} | {} | {seconds:.1} | {event}{note} |",
                row.open,
                columns(0),
                columns(1),
                busy(0),
                busy(1)
            );
            written.push(json!({
                "open": row.open, "opened_seconds": seconds, "level": row.resident.is_level,
                "relay_resident": row.resident.bytes[0], "agents_resident": row.resident.bytes[1],
                "relay_bytes_each": each(0), "agents_bytes_each": each(1),
                "relay_us_a_second_each": busy_each(row, 0), "agents_us_a_second_each": busy_each(row, 1),
                "events": row.delivered.map(|(events, _)| events),
                "event_ms": row.delivered.map(|(_, took)| took.as_secs_f64() * 1e3),
            }));
            before = row;
        }
        // The last of streams is once more as many.
        let mut drawn: Vec<&Row> = rows.iter().filter(|row| row.open > 0).collect();
        drawn.dedup_by_key(|row| row.open);
        let line = |figure: &dyn Fn(&Row) -> Option<f64>| {
            drawn.iter().filter_map(|row| Some((row.open as f64, figure(row)?))).collect::<Vec<_>>()
        };
        let title = table.name().to_owned();
        self.memory.push(Panel {
            title: title.clone(),
            unit: "KiB each",
            lines: [0, 1].map(|of| line(&|row| Some(bytes_each(first, row, of)? as f64 / 1024.0))),
        });
        self.processor.push(Panel {
            title,
            unit: "CPU each, µs a second",
            lines: [0, 1].map(|of| line(&|row| busy_each(row, of))),
        });
        self.tables.push(json!({ "table": table.name(), "rows": written }));
    }

    /// Writes it to `bench/growth.json` in the target folder, and the picture to `picture`, or beside it.
    pub(crate) fn write(self, picture: Option<PathBuf>) -> [PathBuf; 2] {
        let program = std::env::current_exe().unwrap();
        let target = program.ancestors().nth(3).expect("target/PROFILE/deps/growth");
        let folder = target.join("bench");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("growth.json");
        let report = json!({ "machine": self.machine, "tables": self.tables });
        fs::write(&path, format!("{report:#}\n")).unwrap();
        let picture = picture.unwrap_or_else(|| folder.join("growth.svg"));
        let beside = self.memory.len();
        let panels: Vec<Panel> = self.memory.into_iter().chain(self.processor).collect();
        fs::write(&picture, picture::draw(&panels, beside)).unwrap();
        [path, picture]
    }
}

/// By how much memory is more, for each that came in between.
fn bytes_each(before: &Row, now: &Row, of: usize) -> Option<i64> {
    let more = i64::try_from(now.open - before.open).ok().filter(|more| *more > 0)?;
    let bytes = |row: &Row| i64::try_from(row.resident.bytes[of]).ok();
    Some((bytes(now)? - bytes(before)?) / more)
}

/// Microseconds on a processor in a second, for each that is open.
fn busy_each(row: &Row, of: usize) -> Option<f64> {
    (row.open > 0).then(|| row.resident.busy[of] * 1e6 / row.open as f64)
}

fn shown(bytes: Option<i64>) -> String {
    bytes.map_or_else(|| "–".to_owned(), |bytes| bytes.to_string())
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}
