//! What requests cost beside tunnels and streams that are open, and how long they take, and the same of events on the
//! streams. In a world of its own: what a load leaves behind in memory is not what tunnels and streams take.

use std::time::{Duration, Instant};

use gantz_tests::bench::processor::used;
use serde_json::Value;

use crate::role::Role;
use crate::world::{Purpose, World};
use crate::{Plan, TUNNELS};

/// The processes whose time is taken, in its order in [`Measured::cost`].
pub(crate) const PROCESSES: [&str; 4] = ["relay", "agents", "local server", "callers"];

/// What was found with so many of them open.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) open: usize,
    pub(crate) requests: Measured,
    /// Of streams: with an event a second on each.
    pub(crate) events: Option<Measured>,
}

/// What requests, or events, take.
#[derive(Debug)]
pub(crate) struct Measured {
    /// How many a second.
    pub(crate) rate: f64,
    /// Milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Microseconds on a processor, each, of each of [`PROCESSES`].
    pub(crate) cost: [f64; 4],
    /// UDP datagrams that the system was given, each; what it is given at once, as one batch, is one.
    pub(crate) datagrams: f64,
    /// How many processors all of those together kept busy.
    pub(crate) busy: f64,
}

/// Tunnels, at each step.
pub(crate) async fn tunnels(plan: &Plan) -> Vec<Row> {
    let mut world = World::start(plan.gantz.as_deref(), Purpose::PlainLoad).await;
    let mut callers = world.callers(false).await;
    let mut rows = Vec::new();
    for count in plan.steps {
        let tunnels = world.open(*count).await;
        callers.ask(&format!("tunnels {}", tunnels.urls.join(" "))).await;
        let requests = requests(plan, &world, &mut callers).await;
        rows.push(Row { open: *count, requests, events: None });
        assert_eq!(world.open(*count).await.lost, 0, "tunnels were lost");
    }
    rows
}

/// Streams, at each step.
pub(crate) async fn streams(plan: &Plan, is_http2: bool) -> Vec<Row> {
    let mut world = World::start(plan.gantz.as_deref(), Purpose::Load).await;
    let tunnels = world.open(TUNNELS).await;
    let mut callers = world.callers(is_http2).await;
    callers.ask(&format!("tunnels {}", tunnels.urls.join(" "))).await;
    let mut rows = Vec::new();
    for count in plan.steps {
        let said = callers.ask(&format!("open {count}")).await;
        assert_eq!((&said["open"], &said["over"]), (&(*count).into(), &0.into()), "{said}");
        let requests = requests(plan, &world, &mut callers).await;
        let events = events(plan, &mut world, &mut callers, *count).await;
        rows.push(Row { open: *count, requests, events: Some(events) });
    }
    assert_eq!(world.open(TUNNELS).await.lost, 0, "tunnels were lost");
    rows
}

/// A closed loop of small requests.
async fn requests(plan: &Plan, world: &World, callers: &mut Role) -> Measured {
    callers.ask(&format!("requests {}", plan.time.as_millis())).await;
    let before = Used::now(world, callers);
    let said = callers.hear().await;
    Measured::new(&said, &before, &Used::now(world, callers))
}

/// An event a second on each stream.
async fn events(plan: &Plan, world: &mut World, callers: &mut Role, count: usize) -> Measured {
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
    Measured::new(&said, &before, &after)
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

impl Measured {
    fn new(said: &Value, before: &Used, after: &Used) -> Self {
        let number = |name: &str| said[name].as_f64().unwrap_or_else(|| panic!("nothing came through: {said}"));
        let spent: [f64; 4] =
            std::array::from_fn(|of| after.processors[of].saturating_sub(before.processors[of]).as_secs_f64());
        let cost = spent.map(|seconds| seconds * 1e6 / number("count"));
        let datagrams = (after.datagrams - before.datagrams) as f64 / number("count");
        let busy = spent.iter().sum::<f64>() / (after.at - before.at).as_secs_f64();
        Self { rate: number("rate"), p50: number("p50_ms"), p99: number("p99_ms"), cost, datagrams, busy }
    }
}
