//! Memory and open files of relay and agent, looked at every few seconds.

use std::time::Duration;

use tokio::time::Instant;

use crate::process::Process;
use crate::tally::Tally;
use crate::world::World;

/// From one look to the next.
pub(crate) const LOOK: Duration = Duration::from_secs(5);

/// How long connections may take to end when nobody calls any more: both sides keep idle ones for a while.
const REST: Duration = Duration::from_secs(150);

/// One process at one time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Resident bytes.
    pub(crate) resident: u64,
    /// Open file descriptors.
    pub(crate) files: usize,
}

/// Of relay and agent.
pub(crate) type Pair = [Sample; 2];

/// Everything that was seen.
pub(crate) struct Samples {
    /// Before the first caller.
    pub(crate) before: Pair,
    pub(crate) during: Vec<Pair>,
    /// When nobody called any more.
    pub(crate) after: Pair,
    /// Shares of a core during the load, relay and agent.
    pub(crate) cpu: [f64; 2],
}

impl Samples {
    pub(crate) fn of(world: &World) -> Self {
        let before = look(world);
        Self { before, during: Vec::new(), after: before, cpu: [0.0; 2] }
    }

    /// Looks until `end`, and says each minute what there was.
    pub(crate) async fn take_until(&mut self, end: Instant, world: &World, tally: &Tally) {
        let cpu = || [world.relay.cpu(), world.agent.cpu()];
        let (begun, spent) = (Instant::now(), cpu());
        let a_minute = (60 / LOOK.as_secs()) as usize;
        while Instant::now() < end {
            tokio::time::sleep(LOOK).await;
            self.during.push(look(world));
            if self.during.len().is_multiple_of(a_minute) {
                let [relay, agent] = medians(&self.during[self.during.len() - a_minute..]);
                let counts = tally.counts();
                let sum = |counts: &std::collections::BTreeMap<String, u64>| counts.values().sum::<u64>();
                println!(
                    "minute {:>3}: relay {:>7.1} MiB {:>4} files, agent {:>7.1} MiB {:>4} files, {} answers, {} wrong",
                    self.during.len() / a_minute,
                    mib(relay.resident),
                    relay.files,
                    mib(agent.resident),
                    agent.files,
                    sum(&counts.came),
                    sum(&counts.faults),
                );
            }
        }
        let passed = begun.elapsed().as_secs_f64();
        self.cpu = [0, 1].map(|of| (cpu()[of] - spent[of]).as_secs_f64() / passed);
    }

    /// Waits until both have closed what callers had opened, for a time.
    pub(crate) async fn rest(&mut self, world: &World) {
        let begun = Instant::now();
        loop {
            self.after = look(world);
            let is_at_rest = self.after.iter().zip(&self.before).all(|(after, before)| after.files <= before.files);
            if is_at_rest || begun.elapsed() > REST {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Of each figure.
pub(crate) fn medians(samples: &[Pair]) -> Pair {
    [0, 1].map(|of| Sample {
        resident: median(samples.iter().map(|pair| pair[of].resident)),
        files: median(samples.iter().map(|pair| pair[of].files)),
    })
}

fn median<T: Ord + Copy + Default>(all: impl Iterator<Item = T>) -> T {
    let mut all: Vec<T> = all.collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn look(world: &World) -> Pair {
    [&world.relay, &world.agent].map(|process: &Process| Sample {
        resident: process.resident(),
        files: std::fs::read_dir(format!("/proc/{}/fd", process.pid())).unwrap().count(),
    })
}
