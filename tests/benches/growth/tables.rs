//! What was found, as tables for people and as JSON.

use gantz_tests::bench::table::{range, shown, table};
use serde_json::{Map, Value, json};

use crate::TUNNELS;
use crate::idle::Row as Idle;
use crate::load::{Load, PROCESSES, Row, Sample, WORK, Work};

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Table {
    Tunnels,
    OverTcp,
    Http1,
    Http2,
}

impl Table {
    pub(crate) const ALL: [Self; 4] = [Self::Tunnels, Self::OverTcp, Self::Http1, Self::Http2];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tunnels => "idle tunnels",
            Self::OverTcp => "idle tunnels over TCP",
            Self::Http1 => "streams over HTTP/1.1",
            Self::Http2 => "streams over HTTP/2",
        }
    }

    fn says(self) -> String {
        match self {
            Self::Tunnels | Self::OverTcp => "of one agent each".to_owned(),
            Self::Http1 => format!("over {TUNNELS} tunnels, each on a TLS connection of its own"),
            Self::Http2 => format!("over {TUNNELS} tunnels, a TLS connection for the streams of each"),
        }
    }
}

impl Work {
    /// As it is called in a report.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Requests(count) => format!("requests, {count}"),
            Self::Connections(count) => format!("connect, {count}"),
            Self::Down => "down".to_owned(),
            Self::Up => "up".to_owned(),
            Self::Events => "events".to_owned(),
        }
    }

    /// What is counted.
    fn unit(self) -> &'static str {
        match self {
            Self::Requests(_) | Self::Connections(_) => "request",
            Self::Down | Self::Up => "MB",
            Self::Events => "event",
        }
    }
}

/// Prints what there is while nothing but keep-alives goes through, and gives it.
pub(crate) fn idle(of: Table, rows: &[Idle]) -> Vec<Value> {
    let head = [
        "open",
        "relay MiB",
        "bytes each",
        "bytes each of the last",
        "agents MiB",
        "bytes each",
        "bytes each of the last",
        "relay µs/s each",
        "agents µs/s each",
        "opened in s",
        "one event to all",
        "memory",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    let Some(first) = rows.first() else { return Vec::new() };
    let mut written = Vec::new();
    let mut before = first;
    for row in rows {
        let each = |of: usize| bytes_each(first, row, of);
        let last = |of: usize| bytes_each(before, row, of);
        let bytes = |bytes: Option<i64>| shown(bytes.map(|bytes| bytes as f64), 0);
        let mut line = vec![row.open.to_string()];
        for of in [0, 1] {
            line.extend([shown(Some(row.resident.bytes[of] as f64 / f64::from(1 << 20)), 1)]);
            line.extend([bytes(each(of)), bytes(last(of))]);
        }
        line.extend([0, 1].map(|of| shown(busy_each(row, of), 1)));
        line.push(shown(Some(row.took.as_secs_f64()), 1));
        line.push(match row.delivered {
            Some((events, took)) => format!("{events} came, in {:.0} ms", took.as_secs_f64() * 1e3),
            None => "–".to_owned(),
        });
        line.push(if row.resident.is_level { "level" } else { "still moved" }.to_owned());
        lines.push(line);
        written.push(json!({
            "open": row.open, "opened_seconds": row.took.as_secs_f64(), "level": row.resident.is_level,
            "relay_resident": row.resident.bytes[0], "agents_resident": row.resident.bytes[1],
            "relay_bytes_each": each(0), "agents_bytes_each": each(1),
            "relay_us_a_second_each": busy_each(row, 0), "agents_us_a_second_each": busy_each(row, 1),
            "events": row.delivered.map(|(events, _)| events),
            "event_ms": row.delivered.map(|(_, took)| took.as_secs_f64() * 1e3),
        }));
        before = row;
    }
    println!("\n### {}, {}\n\n{}", of.name(), of.says(), table(&lines));
    written
}

/// One column of the tables under load.
type Column = (&'static str, fn(&Load) -> String);

const COLUMNS: [Column; 6] = [
    ("rate", |load| shown(load.median(|sample| Some(sample.rate)), 0)),
    ("min–max", |load| range(load.samples.iter().map(|sample| sample.rate), 0)),
    ("p50 ms", |load| shown(load.median(|sample| sample.p50), 2)),
    ("p99 ms", |load| shown(load.median(|sample| sample.p99), 2)),
    ("datagrams", |load| shown(load.median(|sample| Some(sample.datagrams)), 2)),
    ("processors busy", |load| shown(load.median(|sample| Some(sample.busy)), 2)),
];

/// Prints what requests, bodies and events cost beside all of it, and gives that.
pub(crate) fn load(of: Table, rows: &[Row]) -> Vec<Value> {
    for work in WORK {
        let found: Vec<(usize, &Load)> = rows.iter().filter_map(|row| Some((row.open, row.load(work)?))).collect();
        if found.is_empty() {
            continue;
        }
        let costs = PROCESSES.map(|process| format!("{process} µs"));
        let (before, behind) = COLUMNS.split_at(4);
        let titles = |columns: &[Column]| columns.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>();
        let mut lines = vec![[vec!["open".to_owned()], titles(before), costs.to_vec(), titles(behind)].concat()];
        for (open, load) in found {
            let cells = |columns: &[Column]| columns.iter().map(|(_, cell)| cell(load)).collect::<Vec<_>>();
            let costs = [0, 1, 2, 3].map(|of| shown(load.median(|sample| Some(sample.cost[of])), 1));
            lines.push([vec![open.to_string()], cells(before), costs.to_vec(), cells(behind)].concat());
        }
        let unit = work.unit();
        println!("\n### {}: {} ({unit}s a second, CPU a {unit})\n\n{}", of.name(), work.name(), table(&lines));
    }
    let row = |row: &Row| json!({ "open": row.open, "loads": row.loads.iter().map(written).collect::<Vec<_>>() });
    rows.iter().map(row).collect()
}

fn written(load: &Load) -> Value {
    let samples: Vec<Value> = load.samples.iter().map(sample).collect();
    json!({ "work": load.work.name(), "unit": load.work.unit(), "samples": samples })
}

fn sample(sample: &Sample) -> Value {
    let costs: Map<String, Value> =
        PROCESSES.iter().zip(sample.cost).map(|(process, cost)| ((*process).to_owned(), cost.into())).collect();
    json!({
        "rate": sample.rate, "p50_ms": sample.p50, "p99_ms": sample.p99,
        "cpu_us": costs, "datagrams": sample.datagrams, "processors_busy": sample.busy,
    })
}

/// By how much memory is more, for each that came in between.
pub(crate) fn bytes_each(before: &Idle, now: &Idle, of: usize) -> Option<i64> {
    let more = i64::try_from(now.open - before.open).ok().filter(|more| *more > 0)?;
    let bytes = |row: &Idle| i64::try_from(row.resident.bytes[of]).ok();
    Some((bytes(now)? - bytes(before)?) / more)
}

/// Microseconds on a processor in a second, for each that is open.
pub(crate) fn busy_each(row: &Idle, of: usize) -> Option<f64> {
    (row.open > 0).then(|| row.resident.busy[of] * 1e6 / row.open as f64)
}
