//! Resident memory of processes, once it has levelled, and what they take of a processor then.

use std::time::{Duration, Instant};

use super::processor;

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(500);

/// What counts as level: this share of the whole between the least and the most …
const SHARE: f64 = 0.002;

/// … or so many bytes.
const BYTES: u64 = 256 << 10;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// What was found of so many processes.
#[derive(Debug, Clone, Copy)]
pub struct Resident<const N: usize> {
    /// Bytes.
    pub bytes: [u64; N],
    /// Whether it stood still.
    pub is_level: bool,
    /// Seconds on a processor in a second, while it did.
    pub busy: [f64; N],
}

/// Resident bytes of these processes when none of them has changed for `window`, or patience is over.
pub async fn levelled<const N: usize>(pids: [u32; N], window: Duration) -> Resident<N> {
    let begun = Instant::now();
    let mut seen: Vec<(Instant, [u64; N], [Duration; N])> = Vec::new();
    loop {
        let now = Instant::now();
        let bytes = pids.map(|pid| held(pid, "VmRSS:"));
        let used = pids.map(processor::used);
        seen.push((now, bytes, used));
        seen.retain(|(at, ..)| now - *at <= window);
        let is_whole = now - begun >= window;
        let is_level = is_whole && (0..N).all(|of| stands(seen.iter().map(|(_, bytes, _)| bytes[of])));
        if is_level || now - begun > PATIENCE {
            let (since, _, before) = seen[0];
            let seconds = (now - since).as_secs_f64();
            let busy = std::array::from_fn(|of| used[of].saturating_sub(before[of]).as_secs_f64() / seconds);
            return Resident { bytes, is_level, busy };
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn stands(bytes: impl Iterator<Item = u64> + Clone) -> bool {
    let (least, most) = (bytes.clone().min().unwrap_or(0), bytes.max().unwrap_or(0));
    most - least <= BYTES.max((most as f64 * SHARE) as u64)
}

/// What the line `field` of `/proc/PID/status` (proc_pid_status(5)) says, bytes.
pub fn held(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    let status = status.unwrap_or_else(|error| panic!("process {pid} is gone: {error}"));
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let line = line.unwrap_or_else(|| panic!("process {pid} has ended"));
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
