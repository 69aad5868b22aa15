//! UDP does not get through at all, and nobody says so: the tunnel goes over TCP until it does again.

use super::namespaces::Machine;
use super::site::Site;
use crate::linked::{A_WHILE, RECOVERY};

#[tokio::test]
async fn from_the_beginning_and_nobody_notices_the_move_to_quic() {
    let mut site = Site::start(|machines| machines.drop_udp()).await;
    assert_eq!(site.transport, "tcp");
    let load = site.load().await;
    site.machines.pass_udp();
    assert_eq!(site.says("moved").await["transport"], "quic");
    tokio::time::sleep(A_WHILE / 2).await;
    load.flows(RECOVERY).await;
    load.finish().await.assert_unnoticed();
}

/// The agent has no answer any more and comes back over TCP; what was open over QUIC is lost with it.
#[tokio::test]
async fn from_one_moment_on() {
    let mut site = Site::start(|_| {}).await;
    assert_eq!(site.transport, "quic");
    let load = site.load().await;
    site.machines.drop_udp();
    load.flows(RECOVERY).await;
    site.says("reconnecting").await;
    assert_eq!(site.says("reconnected").await["transport"], "tcp");
    load.finish().await.assert_honest();
}

/// One direction is enough for the other side to be heard, and for nothing to be answered.
async fn one_way(machine: Machine) {
    let mut site = Site::start(|_| {}).await;
    let load = site.load().await;
    site.machines.drop_udp_of(machine);
    load.flows(RECOVERY).await;
    site.says("reconnecting").await;
    assert_eq!(site.says("reconnected").await["transport"], "tcp");
    load.finish().await.assert_honest();
}

#[tokio::test]
async fn what_the_relay_says_is_lost() {
    one_way(Machine::Relay).await;
}

#[tokio::test]
async fn what_the_agent_says_is_lost() {
    one_way(Machine::Agent).await;
}
