//! One measurement: a relay, a link and an agent, and who calls over them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gantz_tests::link::{Bottleneck, Shape};
use http::Method;
use http_body_util::BodyExt;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::gantz::{self, Binaries};
use crate::payload::{Payload, SMALL};
use crate::process::{Announces, Process};

/// The link but for its loss: 40 ms round trip, 100 Mbit/s, 500 kB queue.
pub(crate) const LINK: Shape =
    Shape { rate: 100e6, delay: Duration::from_millis(20), queue: 500_000, loss: 0.0, seed: 1 };

/// Callers with small requests, each on a connection of its own.
pub(crate) const CALLERS: usize = 16;

/// Longer than any download here gets.
const ENDLESS: u64 = 1 << 50;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scenario {
    /// Datagrams of a hundred that the link loses at random, each way.
    pub(crate) loss: f64,
    /// Whether there is a download besides.
    pub(crate) beside_download: bool,
}

impl Scenario {
    /// All there are, in the order of the report.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let losses = |beside_download| [0.0, 1.0, 2.0].map(|loss| Self { loss, beside_download });
        losses(false).into_iter().chain(losses(true))
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Of the small requests, milliseconds.
    pub(crate) p50: f64,
    /// The same.
    pub(crate) p99: f64,
    /// Small requests a second, all together.
    pub(crate) rate: f64,
    /// Megabytes a second; none without a download.
    pub(crate) download: Option<f64>,
    /// Share of the agent's datagrams that the queue had no room for.
    pub(crate) overran: f64,
    /// Milliseconds that a datagram of the agent waits in the queue, on average.
    pub(crate) queued: f64,
}

/// Measures `scenario` for `time`, after half of that to come to rest.
pub(crate) async fn run(scenario: Scenario, round: u32, time: Duration, binaries: &Binaries) -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let (_origin, origin) =
        Process::start("origin", command.arg("origin"), Announces::Stdout, |line| line.parse().ok()).await;
    let relay = gantz::relay("off", binaries, folder.path()).await;
    let shape = Shape { loss: scenario.loss / 100.0, seed: u64::from(round) * 2 + 1, ..LINK };
    let link = Bottleneck::new(relay.agents, shape).await;
    let (_agent, target) = gantz::agent(&relay, link.address(), "quic", binaries, origin, folder.path()).await;

    let client = Arc::new(Client::new(&target));
    let begin = Instant::now() + time / 2;
    let end = begin + time;
    let came = Arc::new(AtomicU64::new(0));
    let mut download = JoinSet::new();
    if scenario.beside_download {
        download.spawn(read(client.clone(), came.clone()));
    }
    let mut calling = JoinSet::new();
    for _ in 0..CALLERS {
        calling.spawn(call(client.clone(), begin, end));
    }
    tokio::time::sleep_until(begin.into()).await;
    let (bytes_before, before) = (came.load(Ordering::Relaxed), link.up());
    tokio::time::sleep_until(end.into()).await;
    let (bytes, after) = (came.load(Ordering::Relaxed) - bytes_before, link.up());
    assert!(download.try_join_next().is_none(), "the download has ended");
    let mut took = calling.join_all().await.concat();
    took.sort_unstable();
    let percentile = |share: f64| took[(took.len() as f64 * share) as usize].as_secs_f64() * 1e3;
    let datagrams = (after.came - before.came - (after.too_large - before.too_large)) as f64;
    let through = datagrams - (after.lost - before.lost) as f64 - (after.overran - before.overran) as f64;
    Sample {
        p50: percentile(0.5),
        p99: percentile(0.99),
        rate: took.len() as f64 / time.as_secs_f64(),
        download: scenario.beside_download.then(|| bytes as f64 / 1e6 / time.as_secs_f64()),
        overran: (after.overran - before.overran) as f64 / datagrams,
        queued: (after.waited - before.waited).as_secs_f64() * 1e3 / through,
    }
}

/// Small requests, one after the other; how long those took that ended in time.
async fn call(client: Arc<Client>, begin: Instant, end: Instant) -> Vec<Duration> {
    let mut connection = client.connect().await;
    let mut took = Vec::new();
    loop {
        let sent = Instant::now();
        let length = client.call(&mut connection, Method::GET, "/mcp", Payload::zeros(0)).await;
        assert_eq!(length, SMALL as u64, "another answer than the local server's");
        let done = Instant::now();
        if done >= end {
            return took;
        }
        if done >= begin {
            took.push(done - sent);
        }
    }
}

/// A download without end; counts what comes.
async fn read(client: Arc<Client>, came: Arc<AtomicU64>) {
    let mut connection = client.connect().await;
    let path = format!("/down/{ENDLESS}");
    let mut body = client.open(&mut connection, Method::GET, &path, Payload::zeros(0)).await;
    while let Some(frame) = body.frame().await {
        let bytes = frame.expect("the download was cut").data_ref().map_or(0, Bytes::len);
        came.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
