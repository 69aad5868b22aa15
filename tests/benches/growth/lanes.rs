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

/// Requests at a time.
pub(crate) const LANES: usize = 16;

/// One request at a time, to one of its tunnels after the other.
struct Lane {
    tunnels: Vec<Arc<Client>>,
    /// One for all of its tunnels, or one for each.
    connections: Vec<Connection>,
    next: usize,
}

impl Caller for Lane {
    async fn call(&mut self) {
        let (tunnel, connection) = (self.next % self.tunnels.len(), self.next % self.connections.len());
        self.next += 1;
        let connection = &mut self.connections[connection];
        let length = self.tunnels[tunnel].call(connection, Method::GET, "/mcp", Payload::zeros(0)).await;
        assert_eq!(length, SMALL as u64, "another answer than the local server's");
    }
}

/// Calls all `tunnels` for `time`, and says how that went, once it has said that it has begun. With `is_shared` the
/// requests of a lane go over one connection, otherwise over one a tunnel.
pub(crate) async fn run(tunnels: &[Tunnel], is_shared: bool, time: Duration) -> Value {
    let lanes = (0..LANES).filter(|lane| *lane < tunnels.len()).map(|lane| async move {
        let own: Vec<&Tunnel> = tunnels.iter().skip(lane).step_by(LANES).collect();
        let connected = futures_util::stream::iter(&own[..if is_shared { 1 } else { own.len() }]);
        let connections = connected.then(|tunnel| tunnel.connection()).collect().await;
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
