//! What the tests share: an event, what was written, and what was logged, to be waited for.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Condvar, Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

/// Keeps a broken test from hanging; none waits for the clock.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    Happened { by: u64, number: u64 },
}

/// The lines of `path` and of what was rotated, the oldest first. Each is whole.
pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let folder = fs::read_dir(path.parent().unwrap()).unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).filter(|file| file.is_file()).collect();
    files.sort_by_key(|file| {
        std::cmp::Reverse(file.extension().unwrap().to_str().unwrap().parse::<u32>().unwrap_or_default())
    });
    let mut lines = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{} ends in half a line", file.display());
        for line in text.lines().filter(|line| !line.is_empty()) {
            assert!(line.starts_with("{\"time\":\"") && line[34..].starts_with(",\"event\":\""), "{line}");
            lines.push(serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
        }
    }
    lines
}

/// The numbers of the events of `by`, in the order in which they were written.
pub(crate) fn numbers(lines: &[Value], by: u64) -> Vec<u64> {
    let of = lines.iter().filter(|line| line["event"] == "happened" && line["by"] == by);
    of.map(|line| line["number"].as_u64().unwrap()).collect()
}

/// How many events were counted as lost.
pub(crate) fn lost(lines: &[Value]) -> u64 {
    let of = lines.iter().filter(|line| line["event"] == "audit_lost");
    of.map(|line| line["count"].as_u64().unwrap()).sum()
}

/// Waits for what only the disk tells.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never came: {what}");
        thread::yield_now();
    }
}

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());
static CHANGED: Condvar = Condvar::new();

/// From here on what is logged can be asked for.
pub(crate) fn watch_logs() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(|| Logged).init();
    });
}

/// All log lines so far that tell of `path`.
pub(crate) fn logged(path: &Path) -> Vec<String> {
    let path = format!("{} ", path.display());
    LOGGED.lock().unwrap().iter().filter(|line| format!("{line} ").contains(&path)).cloned().collect()
}

/// Waits for a log line that tells of `path` and has `text` in it.
pub(crate) fn wait_for_log(path: &Path, text: &str) -> String {
    let path = format!("{} ", path.display());
    let find = |lines: &Vec<String>| {
        lines.iter().find(|line| line.contains(text) && format!("{line} ").contains(&path)).cloned()
    };
    let lines = LOGGED.lock().unwrap();
    let (lines, _) = CHANGED.wait_timeout_while(lines, PATIENCE, |lines| find(lines).is_none()).unwrap();
    find(&lines).unwrap_or_else(|| panic!("nothing was logged of {text:?}: {lines:?}"))
}

struct Logged;

impl Write for Logged {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LOGGED.lock().unwrap().push(String::from_utf8_lossy(line).trim_end().to_owned());
        CHANGED.notify_all();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
