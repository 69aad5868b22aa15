//! What requests, new connections and bodies cost beside tunnels and streams that are open, how fast they are, and the same
//! of events on the streams. In a world of its own: what a load leaves behind in memory is not what tunnels and streams take.

use std::time::{Duration, Instant};

use gantz_agent::config::Transports;
use gantz_tests::bench::processor::used;
use gantz_tests::bench::table::median;
use serde_json::Value;

use crate::role::Role;
use crate::world::{Purpose, World};
use crate::{Plan, TUNNELS};

/// The processes whose time is taken, in its order in [`Sample::cost`].
pub(crate) const PROCESSES: [&str; 4] = ["relay", "agents", "local server", "callers"];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Small requests on kept connections, so many at a time.
    Requests(usize),
    /// Small requests, each on a connection of its own, so many at a time.
    Connections(usize),
    /// One long answer after the other.
    Down,
    /// One long request after the other.
    Up,
    /// An event a second on each stream.
    Events,
}

/// What is done at each step, in this order; events only where there are streams.
pub(crate) const WORK: [Work; 7] = [
    Work::Requests(1),
    Work::Requests(16),
    Work::Requests(128),
    Work::Connections(16),
    Work::Down,
    Work::Up,
    Work::Events,
];

/// What was found with so many of them open.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) open: usize,
    pub(crate) loads: Vec<Load>,
}

/// One kind of work, in each round.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) work: Work,
    pub(crate) samples: Vec<Sample>,
}

/// What one round says. Every cost is for one request, event or megabyte.
#[derive(Debug)]
pub(crate) struct Sample {
    /// How many a second.
    pub(crate) rate: f64,
    /// Milliseconds; not of megabytes.
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    /// Microseconds on a processor, of each of [`PROCESSES`].
    pub(crate) cost: [f64; 4],
    /// UDP datagrams that the system was given; what it is given at once, as one batch, is one.
    pub(crate) datagrams: f64,
    /// How many processors all of those together kept busy.
    pub(crate) busy: f64,
}

/// Tunnels, at each step.
pub(crate) async fn tunnels(plan: &Plan, transport: Transports) -> Vec<Row> {
    // Where agents come over TCP, they come where the callers do, and that is TLS.
    let purpose = if transport == Transports::Tcp { Purpose::Load } else { Purpose::PlainLoad };
    let mut world = World::start(plan, purpose, transport).await;
    let mut callers = world.callers(false).await;
    let mut rows = Vec::new();
    for count in plan.steps {
        let tunnels = world.open(*count).await;
        callers.ask(&format!("tunnels {}", tunnels.urls.join(" "))).await;
        rows.push(Row::measure(*count, plan, &mut world, &mut callers, false).await);
        assert_eq!(world.open(*count).await.lost, 0, "tunnels were lost");
    }
    rows
}

/// Streams, at each step.
pub(crate) async fn streams(plan: &Plan, is_http2: bool) -> Vec<Row> {
    let mut world = World::start(plan, Purpose::Load, Transports::Quic).await;
    let tunnels = world.open(TUNNELS).await;
    let mut callers = world.callers(is_http2).await;
    callers.ask(&format!("tunnels {}", tunnels.urls.join(" "))).await;
    let mut rows = Vec::new();
    for count in plan.steps {
        let said = callers.ask(&format!("open {count}")).await;
        assert_eq!((&said["open"], &said["over"]), (&(*count).into(), &0.into()), "{said}");
        rows.push(Row::measure(*count, plan, &mut world, &mut callers, true).await);
    }
    assert_eq!(world.open(TUNNELS).await.lost, 0, "tunnels were lost");
    rows
}

impl Row {
    /// Everything there is to do, with so many open, in each round.
    async fn measure(open: usize, plan: &Plan, world: &mut World, callers: &mut Role, are_streams: bool) -> Self {
        let work = WORK.into_iter().filter(|work| are_streams || *work != Work::Events);
        let mut loads: Vec<Load> = work.map(|work| Load { work, samples: Vec::new() }).collect();
        for _ in 0..plan.rounds {
            for load in &mut loads {
                load.samples.push(match load.work {
                    Work::Events => events(plan, world, callers, open).await,
                    _ => calls(load.work, plan, world, callers).await,
                });
            }
        }
        Self { open, loads }
    }

    /// That of `work`, if it was done.
    pub(crate) fn load(&self, work: Work) -> Option<&Load> {
        self.loads.iter().find(|load| load.work == work)
    }
}

impl Load {
    /// The median over the rounds.
    pub(crate) fn median(&self, figure: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        median(self.samples.iter().filter_map(figure))
    }
}

/// What callers do by themselves.
async fn calls(work: Work, plan: &Plan, world: &World, callers: &mut Role) -> Sample {
    let (time, bulk) = (plan.time.as_millis(), plan.bulk);
    let command = match work {
        Work::Requests(count) => format!("requests {count} {time}"),
        Work::Connections(count) => format!("connections {count} {time}"),
        Work::Down => format!("down {bulk}"),
        Work::Up => format!("up {bulk}"),
        Work::Events => unreachable!("it takes the local server, too"),
    };
    callers.ask(&command).await;
    let before = Used::now(world, callers);
    let said = callers.hear().await;
    Sample::new(&said, &before, &Used::now(world, callers))
}

/// An event a second on each stream.
async fn events(plan: &Plan, world: &mut World, callers: &mut Role, count: usize) -> Sample {
    // Whole seconds, so that each stream has as many.
    let time = Duration::from_secs(plan.time.as_secs().max(1));
    world.origin.ask(&format!("ticks {count}")).await;
    callers.ask(&format!("events {}", time.as_millis())).await;
    let before = Used::now(world, callers);
    callers.hear().await;
    let after = Used::now(world, callers);
    let said = world.origin.ask("quiet").await;
    let sent = &said["ticks"];
    let said = callers.ask(&format!("settle {sent}")).await;
    assert_eq!(
        (&said["came"], &said["wrong"], &said["over"]),
        (sent, &0.into(), &0.into()),
        "an event is missing, came twice or was overtaken: {said}"
    );
    Sample::new(&said, &before, &after)
}

/// What each process had used.
struct Used {
    at: Instant,
    processors: [Duration; 4],
    /// Of the whole network namespace: of these processes' and nobody else's where nothing else runs.
    datagrams: u64,
}

impl Used {
    fn now(world: &World, callers: &Role) -> Self {
        let agents = world.agents().into_iter().map(used).sum();
        let processors = [used(world.relay()), agents, used(world.origin.pid()), used(callers.pid())];
        let datagrams = procfs::net::snmp().unwrap().udp_out_datagrams;
        Self { at: Instant::now(), processors, datagrams }
    }
}

impl Sample {
    fn new(said: &Value, before: &Used, after: &Used) -> Self {
        let number = |name: &str| said[name].as_f64();
        let count = number("count").filter(|count| *count > 0.0);
        let count = count.unwrap_or_else(|| panic!("nothing came through: {said}"));
        let spent: [f64; 4] =
            std::array::from_fn(|of| after.processors[of].saturating_sub(before.processors[of]).as_secs_f64());
        Self {
            rate: number("rate").expect("there is one where something came"),
            p50: number("p50_ms"),
            p99: number("p99_ms"),
            cost: spent.map(|seconds| seconds * 1e6 / count),
            datagrams: (after.datagrams - before.datagrams) as f64 / count,
            busy: spent.iter().sum::<f64>() / (after.at - before.at).as_secs_f64(),
        }
    }
}
