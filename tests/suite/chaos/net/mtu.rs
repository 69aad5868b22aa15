//! Packets of more than 1280 bytes do not get through: the least that a network with IPv6 carries (RFC 8200 §5).

use super::site::Site;
use crate::linked::{A_WHILE, RECOVERY};

const NARROW: u32 = 1280;

#[tokio::test]
async fn from_the_beginning() {
    let site = Site::start(|machines| machines.narrow(NARROW)).await;
    assert_eq!(site.transport, "quic");
    let load = site.load().await;
    tokio::time::sleep(A_WHILE).await;
    load.flows(RECOVERY).await;
    load.finish().await.assert_unnoticed();
}

/// The tunnel has found out by then that more gets through, and uses it.
#[tokio::test]
async fn from_one_moment_on() {
    let site = Site::start(|_| {}).await;
    assert_eq!(site.transport, "quic");
    let load = site.load().await;
    tokio::time::sleep(A_WHILE / 2).await;
    site.machines.narrow(NARROW);
    tokio::time::sleep(A_WHILE).await;
    load.flows(RECOVERY).await;
    load.finish().await.assert_unnoticed();
}
