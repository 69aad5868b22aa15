//! What is measured over the link, and how it is put up for each measurement.

use std::time::Duration;

use gantz_tests::link::Shape;
use serde_json::{Value, json};

use super::network::Network;
use super::simulator::{Counts, Way};
use crate::gantz::Binaries;
use crate::process::{Announces, Process, Said};
use crate::rows::{self, Row};
use crate::{Plan, is_wanted, origin};

/// The link but for what a case says: 40 ms round trip, 100 Mbit/s and a queue of 40 ms each way.
pub(crate) const LINK: Shape =
    Shape { rate: 100e6, delay: Duration::from_millis(20), queue: 500_000, loss: 0.0, seed: 1 };

/// Callers with small requests, each on a connection of its own.
pub(crate) const CALLERS: usize = 16;

/// A measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) work: Work,
    /// Packets of a hundred that are lost at random, each way.
    loss: f64,
    /// Bytes that may wait, each way.
    queue: usize,
}

/// Who is on the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Small requests, alone and beside a download.
    Requests,
    /// A download, beside one that goes through no tunnel.
    Shared,
}

const ALL: [Case; 5] = [
    Case { name: "link, 0 %", work: Work::Requests, loss: 0.0, queue: LINK.queue },
    Case { name: "link, 1 %", work: Work::Requests, loss: 1.0, queue: LINK.queue },
    Case { name: "link, 2 %", work: Work::Requests, loss: 2.0, queue: LINK.queue },
    Case { name: "link, shared, 500 kB", work: Work::Shared, loss: 0.0, queue: 500_000 },
    Case { name: "link, shared, 30 kB", work: Work::Shared, loss: 0.0, queue: 30_000 },
];

/// Their names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|case| case.name)
}

/// The cases that `wishes` want, of all these `names`.
pub(crate) fn chosen(names: &[&str], wishes: &[String]) -> Vec<Case> {
    ALL.into_iter().filter(|case| is_wanted(case.name, names, wishes)).collect()
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Small requests while there was nothing else.
    pub(crate) alone: Option<Small>,
    /// Small requests beside the download.
    pub(crate) beside: Option<Small>,
    /// Of the download, megabytes a second.
    pub(crate) download: f64,
    /// Of the one that goes through no tunnel.
    pub(crate) rival: Option<f64>,
    /// What passed from the agent to the relay meanwhile.
    pub(crate) up: Way,
}

/// Small requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Small {
    /// Milliseconds.
    pub(crate) p50: f64,
    /// The same.
    pub(crate) p99: f64,
    /// A second, all callers together.
    pub(crate) rate: f64,
}

impl Case {
    /// Puts everything up, measures `row` once, and takes it down.
    pub(crate) async fn measure(&self, plan: &Plan, row: &'static str, round: u32, binaries: &Binaries) -> Sample {
        let shape = Shape { loss: self.loss / 100.0, queue: self.queue, seed: u64::from(round), ..LINK };
        let mut network = Network::new(&shape).await;
        let (_origin, address) = origin::start(&network.ends.agent).await;
        let row = rows::row(row, plan, binaries, &network.ends, address, network.folder()).await;

        let is_shared = self.work == Work::Shared;
        let time = if is_shared { plan.shared_time } else { plan.link_time };
        let mut command = network.ends.relay.this_program();
        command.arg("callers").args(row.target.args()).args(["--millis", &time.as_millis().to_string()]);
        command.args(["--callers", &if is_shared { 0 } else { CALLERS }.to_string()]);
        if is_shared {
            command.args(["--rival", &address.to_string()]);
        }
        let (callers, said) = Process::spawn("callers", &mut command, Announces::Stdout);
        let mut measured = Measured { name: self.name, row: &row, said, patience: gantz_tests::PATIENCE + time * 2 };
        let alone = if is_shared { None } else { Some(small(&measured.next(&mut network).await.0)) };
        let (result, up) = measured.next(&mut network).await;
        callers.succeed().await;
        network.check();
        Sample {
            alone,
            beside: (!is_shared).then(|| small(&result)),
            download: result["download"].as_f64().unwrap(),
            rival: result["rival"].as_f64(),
            up,
        }
    }

    /// What it is, for a report.
    pub(crate) fn told(&self) -> Value {
        json!({ "case": self.name, "loss_percent": self.loss, "queue_bytes": self.queue })
    }
}

/// What callers say.
struct Measured<'a> {
    name: &'static str,
    row: &'a Row,
    said: Said,
    patience: Duration,
}

impl Measured<'_> {
    /// Their next result, and what passed from the agent to the relay from its beginning to its end.
    async fn next(&mut self, network: &mut Network) -> (Value, Way) {
        assert_eq!(self.line().await, "begin");
        let before: Counts = network.counts().await;
        let result = serde_json::from_str(&self.line().await).unwrap();
        let after = network.counts().await;
        (result, after.up.since(&before.up))
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(self.patience, self.said.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{}: nothing came through {}", self.name, self.row.name)).unwrap();
        line.unwrap_or_else(|| panic!("{}: the callers failed on {}", self.name, self.row.name))
    }
}

fn small(result: &Value) -> Small {
    let number = |name: &str| result[name].as_f64().expect("some requests were answered");
    Small { p50: number("p50_ms"), p99: number("p99_ms"), rate: number("rate") }
}
