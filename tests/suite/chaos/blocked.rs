//! UDP does not get through: the tunnel goes over TCP, and back to QUIC when it does.

use std::time::{Duration, Instant};

use gantz_agent::config::Transports;
use gantz_agent::tunnel::Transport;
use gantz_tests::link::{Fate, Way, Weather, blocked, fair};
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

/// A handshake comes about, and what the agent says then arrives; what the relay says then (packets with a short header,
/// RFC 9000 §17.3) does not.
fn mute() -> Weather {
    Box::new(|way, datagram| match (way, datagram.first()) {
        (Way::Down, Some(first)) if first & 0x80 == 0 => Fate::Lost,
        _ => Fate::Arrives,
    })
}

/// Tunnels that the relay has opened.
async fn opened(world: &World) -> u64 {
    let url = format!("http://{}/metrics", world.relay.admin_addr().unwrap());
    let told = world.client().get(url).send().await.unwrap().text().await.unwrap();
    let line = told.lines().find_map(|line| line.strip_prefix("gantz_tunnels_opened_total "));
    line.expect("it is counted").parse().unwrap()
}

#[tokio::test]
async fn a_way_to_quic_without_a_way_back_takes_nothing_from_the_tunnel_over_tcp() {
    let world = relay()
        .server(numbered())
        .link(blocked())
        .agent_config(|config| config.quic_again = Duration::from_millis(100))
        .start()
        .await;
    assert_eq!((carried(&world), opened(&world).await), (Transport::Tcp, 1));
    let link = world.link.as_ref().unwrap();
    link.set(mute());
    within("a hello over QUIC", async {
        while opened(&world).await < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // For longer than the agent waits for the answer, and the relay for the agent.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(35) {
        let called = Instant::now();
        assert_quick(&world).await;
        assert!(called.elapsed() < Duration::from_secs(3), "after {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(carried(&world), Transport::Tcp);
    let mut changes = world.agent.carried();
    let open = events(&world).await;
    link.set(fair());
    within("the move", changes.wait_for(|carried| carried.by == Transport::Quic)).await.unwrap();
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
