//! Resident memory of processes, once it has levelled, and what they take of a processor then.

use std::time::{Duration, Instant};

use gantz_tests::bench::processor;

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(500);

/// What counts as level: this share of the whole between the least and the most …
const SHARE: f64 = 0.002;

/// … or so many bytes.
const BYTES: u64 = 256 << 10;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resident {
    /// Bytes, of relay and agents.
    pub(crate) bytes: [u64; 2],
    /// Whether it stood still.
    pub(crate) is_level: bool,
    /// Seconds on a processor in a second, of relay and agents, while it did.
    pub(crate) busy: [f64; 2],
}

/// Resident bytes of both processes when none of them has changed for `window`, or patience is over.
pub(crate) async fn levelled(pids: [u32; 2], window: Duration) -> Resident {
    let begun = Instant::now();
    let mut seen: Vec<(Instant, [u64; 2], [Duration; 2])> = Vec::new();
    loop {
        let now = Instant::now();
        let bytes = pids.map(resident);
        let used = pids.map(processor::used);
        seen.push((now, bytes, used));
        seen.retain(|(at, ..)| now - *at <= window);
        let is_whole = now - begun >= window;
        let is_level = is_whole && (0..pids.len()).all(|of| stands(seen.iter().map(|(_, bytes, _)| bytes[of])));
        if is_level || now - begun > PATIENCE {
            let (since, _, before) = seen[0];
            let seconds = (now - since).as_secs_f64();
            let busy = [0, 1].map(|of| used[of].saturating_sub(before[of]).as_secs_f64() / seconds);
            return Resident { bytes, is_level, busy };
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn stands(bytes: impl Iterator<Item = u64> + Clone) -> bool {
    let (least, most) = (bytes.clone().min().unwrap_or(0), bytes.max().unwrap_or(0));
    most - least <= BYTES.max((most as f64 * SHARE) as u64)
}

/// `VmRSS` of `/proc/PID/status`, bytes.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has not ended");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
