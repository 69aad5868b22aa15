//! UDP does not get through at all, and nobody says so: the tunnel goes over TCP until it does again.

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
