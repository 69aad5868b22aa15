//! UDP does not get through: the tunnel goes over TCP, and back to QUIC when it does.

use std::time::Duration;

use gantz_agent::config::Transports;
use gantz_agent::tunnel::Transport;
use gantz_tests::link::{blocked, fair};
use gantz_tests::{World, relay, within};

use crate::events::{EVENTS, assert_quick, events, numbered};

fn carried(world: &World) -> Transport {
    world.agent.carried().borrow().by
}

#[tokio::test]
async fn without_udp_it_goes_over_tcp_and_moves_back_without_a_cut() {
    let world = relay()
        .server(numbered())
        .link(blocked())
        .agent_config(|config| config.quic_again = Duration::from_millis(100))
        .start()
        .await;
    assert_eq!(carried(&world), Transport::Tcp);
    let why = world.agent.carried().borrow().to_string();
    assert_eq!(why, "tcp (no answer over UDP within 500 ms)");
    assert_quick(&world).await;
    let mut open = events(&world).await;
    open.until(EVENTS / 6).await;
    let mut changes = world.agent.carried();
    world.link.as_ref().unwrap().set(fair());
    within("the move", changes.wait_for(|carried| carried.by == Transport::Quic)).await.unwrap();
    assert_quick(&world).await;
    // What was begun over TCP ends there.
    open.assert_all().await;
    assert_quick(&world).await;
}

#[tokio::test]
async fn with_udp_it_is_quic() {
    let world = relay().server(numbered()).link(fair()).start().await;
    assert_eq!(carried(&world), Transport::Quic);
    assert_quick(&world).await;
}

#[tokio::test]
async fn whoever_wants_tcp_gets_it_and_keeps_it() {
    let world = relay()
        .server(numbered())
        .link(fair())
        .agent_config(|config| {
            config.transports = Transports::Tcp;
            config.quic_again = Duration::from_millis(1);
        })
        .start()
        .await;
    let open = events(&world).await;
    assert_quick(&world).await;
    open.assert_all().await;
    assert_eq!(carried(&world), Transport::Tcp);
}
