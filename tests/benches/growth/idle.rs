//! What tunnels and streams take when nothing but what keeps them alive goes through: memory and processor.

use std::time::{Duration, Instant};

use gantz_agent::config::Transports;
use gantz_tests::bench::memory::{self, Resident};

use crate::world::{Purpose, World};
use crate::{Plan, TUNNELS};

/// What was found with so many of them open.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) open: usize,
    /// Until they were open.
    pub(crate) took: Duration,
    /// Of relay and agents.
    pub(crate) resident: Resident<2>,
    /// Events of one that was sent to all, and until all had it.
    pub(crate) delivered: Option<(u64, Duration)>,
}

impl Row {
    /// Before the first.
    fn first(resident: Resident<2>) -> Self {
        Self { open: 0, took: Duration::ZERO, resident, delivered: None }
    }
}

/// Tunnels, at each step.
pub(crate) async fn tunnels(plan: &Plan, transport: Transports) -> Vec<Row> {
    let mut world = World::start(plan, Purpose::Idle, transport).await;
    let mut rows = vec![Row::first(levelled(&world, plan).await)];
    for count in plan.steps {
        let begun = Instant::now();
        world.open(*count).await;
        let took = begun.elapsed();
        let resident = levelled(&world, plan).await;
        rows.push(Row { open: *count, took, resident, delivered: None });
        // None was lost while memory settled.
        assert_eq!(world.open(*count).await.lost, 0, "tunnels were lost");
    }
    rows
}

/// Streams, at each step.
pub(crate) async fn streams(plan: &Plan, is_http2: bool) -> Vec<Row> {
    let mut world = World::start(plan, Purpose::Idle, Transports::Quic).await;
    let tunnels = world.open(TUNNELS).await;
    let mut callers = world.callers(is_http2).await;
    callers.ask(&format!("tunnels {}", tunnels.urls.join(" "))).await;
    let mut rows = vec![Row::first(levelled(&world, plan).await)];
    for (count, event) in plan.steps.iter().zip(1_u64..) {
        let begun = Instant::now();
        let said = callers.ask(&format!("open {count}")).await;
        let took = begun.elapsed();
        assert_eq!((&said["open"], &said["wrong"]), (&(*count).into(), &0.into()), "{said}");
        let before = said["events"].as_u64().unwrap();
        let resident = levelled(&world, plan).await;
        let sent = Instant::now();
        let said = world.origin.ask("event").await;
        assert_eq!((&said["event"], &said["streams"]), (&event.into(), &(*count).into()), "{said}");
        let said = callers.ask(&format!("await {event}")).await;
        let delivered = Some((said["events"].as_u64().unwrap() - before, sent.elapsed()));
        rows.push(Row { open: *count, took, resident, delivered });
        assert_eq!(
            (&said["wrong"], &said["over"]),
            (&0.into(), &0.into()),
            "an event is missing or came twice: {said}"
        );
    }
    // Nor came one twice later, or a stream to its end.
    let last = levelled(&world, plan).await;
    let said = callers.ask(&format!("await {}", plan.steps.len())).await;
    assert_eq!((&said["wrong"], &said["over"]), (&0.into(), &0.into()), "{said}");
    let open = plan.steps.last().copied().unwrap_or_default();
    rows.push(Row { open, took: Duration::ZERO, resident: last, delivered: None });
    assert_eq!(world.open(TUNNELS).await.lost, 0, "tunnels were lost");
    rows
}

/// Memory, and what the processors do while it stands still.
async fn levelled(world: &World, plan: &Plan) -> Resident<2> {
    let agents = world.agents();
    let [agents] = agents[..] else { panic!("one process has all agents") };
    memory::levelled([world.relay(), agents], plan.level).await
}
