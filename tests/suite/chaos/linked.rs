//! A tunnel over a network that the test makes bad while it is under load.

use std::sync::Arc;
use std::time::Duration;

use gantz_agent::config::Transports;
use gantz_agent::tunnel::Transport;
use gantz_tests::link::{Weather, fair};
use gantz_tests::{World, relay};

use crate::load::{Aim, Load, Server};

/// How long a bad network lasts, where nothing else says it.
pub(crate) const A_WHILE: Duration = Duration::from_secs(10);

/// How long the load may take to flow again, in any network in which it can.
pub(crate) const RECOVERY: Duration = Duration::from_secs(75);

/// A world under load, in which the agent has nothing but QUIC.
pub(crate) async fn loaded() -> (World, Load) {
    loaded_over(Transports::Quic, Transport::Quic).await
}

/// A world under load, in which the agent has nothing but this.
pub(crate) async fn loaded_over(transports: Transports, by: Transport) -> (World, Load) {
    loaded_in(fair(), transports, by).await
}

/// The same, in this weather from the beginning.
pub(crate) async fn loaded_in(weather: Weather, transports: Transports, by: Transport) -> (World, Load) {
    let server = Arc::new(Server::default());
    let world = relay()
        .server(server.origin())
        .link(weather)
        .agent_config(move |config| config.transports = transports)
        .start()
        .await;
    assert_eq!(world.agent.carried().borrow().by, by);
    let load = Load::start(Aim::of(&world), &server).await;
    (world, load)
}

/// A load in this weather for [`A_WHILE`], of which nobody notices more than that it takes longer.
pub(crate) async fn assert_unnoticed(weather: Weather) {
    let (world, load) = loaded().await;
    world.link.as_ref().unwrap().set(weather);
    tokio::time::sleep(A_WHILE).await;
    load.flows(RECOVERY).await;
    load.finish().await.assert_unnoticed();
}
