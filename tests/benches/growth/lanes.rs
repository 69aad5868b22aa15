//! The requests of the callers: a closed loop of so many at a time, each for the next tunnel.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use gantz_tests::bench::client::{Client, Connection};
use gantz_tests::bench::closed::{self, Caller};
use gantz_tests::bench::durations::summary;
use gantz_tests::bench::payload::{Payload, SMALL};
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::callers::Tunnel;
use crate::role::say;

/// What requests go on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On {
    /// A kept connection a lane, which takes requests for any name.
    Shared,
    /// Kept connections, one for each tunnel.
    Kept,
    /// A new one each.
    New,
}

/// One request at a time, to one of its tunnels after the other.
struct Lane {
    tunnels: Vec<Arc<Client>>,
    /// One for all of its tunnels, or one for each; none where each request has a new one.
    connections: Vec<Connection>,
    next: usize,
}

impl Caller for Lane {
    async fn call(&mut self) {
        let client = &self.tunnels[self.next % self.tunnels.len()];
        let mut new = None;
        let connection = match self.connections.len() {
            0 => new.insert(client.connect().await),
            kept => &mut self.connections[self.next % kept],
        };
        self.next += 1;
        let length = client.call(connection, Method::GET, "/mcp", Payload::zeros(0)).await;
        assert_eq!(length, SMALL as u64, "another answer than the local server's");
    }
}

/// Calls all `tunnels` for `time`, so many at a time, and says how that went, once it has said that it has begun.
pub(crate) async fn run(tunnels: &[Tunnel], count: usize, on: On, time: Duration) -> Value {
    // Where there are more lanes than tunnels, some have the same one.
    let tunnels_of = |lane: usize| tunnels.iter().skip(lane % tunnels.len()).step_by(count).collect::<Vec<_>>();
    let lanes = (0..count).map(|lane| async move {
        let own = tunnels_of(lane);
        let kept = match on {
            On::Shared => &own[..1],
            On::Kept => &own[..],
            On::New => &[],
        };
        let connections = futures_util::stream::iter(kept).then(|tunnel| tunnel.connection()).collect().await;
        Lane { tunnels: own.iter().map(|tunnel| tunnel.client.clone()).collect(), connections, next: 0 }
    });
    let lanes = futures_util::future::join_all(lanes).await;
    // The first request of a tunnel finds no connection to the local server yet, and some have had none.
    let mut once = JoinSet::new();
    for mut lane in lanes {
        once.spawn(async move {
            for _ in 0..lane.tunnels.len() {
                lane.call().await;
            }
            lane
        });
    }
    let lanes = once.join_all().await;
    let took = closed::run(lanes, time, || say(&json!({ "begun": "requests" }))).await;
    summary(took, time)
}
