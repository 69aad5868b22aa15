//! On what the figures were measured, and when: without it they say nothing.
#![allow(clippy::print_stderr, reason = "whoever runs a benchmark is to see it")]

use std::fs;

use serde_json::{Value, json};

/// A load average above which something else is running: then the figures are noise.
const BUSY: f64 = 0.7;

/// What there is to say. Warns where the figures will be of no use.
pub fn describe() -> Value {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default().trim().to_owned();
    let load = read("/proc/loadavg");
    let about = read("/proc/cpuinfo");
    let model = about.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1));
    let busy = load.split(' ').next().and_then(|load| load.parse().ok()).is_some_and(|load: f64| load > BUSY);
    if busy {
        eprintln!("this machine is busy ({load}): the figures will be noise");
    }
    if cfg!(debug_assertions) {
        eprintln!("this is no release build: the figures will be of no use");
    }
    json!({
        "begun": jiff::Timestamp::now().strftime("%F").to_string(),
        "processors": std::thread::available_parallelism().map_or(1, usize::from),
        "model": model,
        "kernel": read("/proc/sys/kernel/osrelease"),
        "congestion_control": read("/proc/sys/net/ipv4/tcp_congestion_control"),
        "load_before": load,
        "busy": busy,
    })
}
