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
    /// Those of them that are no file's: the rest is code, which grows until all that is used was used once.
    pub(crate) own: u64,
    /// Open file descriptors.
    pub(crate) files: usize,
}

impl Sample {
    fn said(self) -> String {
        format!("{:.1} MiB (own {:.1}) {} files", mib(self.resident), mib(self.own), self.files)
    }
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
                    "minute {:>3}: relay {}, agent {}, {} answers, {} wrong",
                    self.during.len() / a_minute,
                    relay.said(),
                    agent.said(),
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
        own: median(samples.iter().map(|pair| pair[of].own)),
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
        own: own(process.pid()),
        files: std::fs::read_dir(format!("/proc/{}/fd", process.pid())).unwrap().count(),
    })
}

/// `RssAnon` of `/proc/PID/status`, bytes.
fn own(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("it has not ended");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
