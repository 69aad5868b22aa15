//! What was found, as tables for people and as JSON.

use serde_json::{Map, Value, json};

use crate::TUNNELS;
use crate::idle::Row as Idle;
use crate::load::{Measured, PROCESSES, Row as Load};

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

/// Prints what there is while nothing but keep-alives goes through, and gives it.
pub(crate) fn idle(table: Table, rows: &[Idle]) -> Vec<Value> {
    println!("\n### {}, {}\n", table.name(), table.says());
    println!(
        "| open | relay MiB | bytes each | bytes each of the last | agents MiB | bytes each | bytes each of the last | \
         CPU µs/s each, relay | agents | opened in s | one event to all |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|");
    let Some(first) = rows.first() else { return Vec::new() };
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
    written
}

/// Prints what requests and events cost beside all of it, and gives that.
pub(crate) fn load(table: Table, rows: &[Load]) -> Vec<Value> {
    println!("\n### {}, and requests beside them", table.name());
    loads("request", rows, |row| Some(&row.requests));
    if rows.iter().any(|row| row.events.is_some()) {
        println!("\n### {}, and an event a second on each", table.name());
        loads("event", rows, |row| row.events.as_ref());
    }
    let row = |row: &Load| json!({ "open": row.open, "requests": measured(&row.requests), "events": row.events.as_ref().map(measured) });
    rows.iter().map(row).collect()
}

fn loads(what: &str, rows: &[Load], of: impl Fn(&Load) -> Option<&Measured>) {
    let costs = PROCESSES.join(" | ");
    println!("\n| open | {what}s/s | p50 ms | p99 ms | CPU µs/{what}, {costs} | datagrams | processors busy |");
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (row, measured) in rows.iter().filter_map(|row| Some((row, of(row)?))) {
        let costs = measured.cost.map(|cost| format!("{cost:.1}")).join(" | ");
        let Measured { rate, p50, p99, datagrams, busy, .. } = measured;
        println!("| {} | {rate:.0} | {p50:.2} | {p99:.2} | {costs} | {datagrams:.2} | {busy:.2} |", row.open);
    }
}

fn measured(measured: &Measured) -> Value {
    let costs: Map<String, Value> =
        PROCESSES.iter().zip(measured.cost).map(|(process, cost)| ((*process).to_owned(), cost.into())).collect();
    json!({
        "rate": measured.rate, "p50_ms": measured.p50, "p99_ms": measured.p99,
        "cpu_us": costs, "datagrams": measured.datagrams, "processors_busy": measured.busy,
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

fn shown(bytes: Option<i64>) -> String {
    bytes.map_or_else(|| "–".to_owned(), |bytes| bytes.to_string())
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}
