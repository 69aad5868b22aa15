//! The agent's address changes, and nothing that is open notices (RFC 9000 §9).

use gantz_agent::tunnel::Transport;
use gantz_tests::link::fair;
use gantz_tests::relay;

use crate::events::{EVENTS, assert_quick, events, numbered};

#[tokio::test]
async fn an_open_stream_survives_a_nat_that_forgets() {
    let world = relay().server(numbered()).link(fair()).start().await;
    assert_eq!(world.agent.carried().borrow().by, Transport::Quic);
    let mut open = events(&world).await;
    for quarter in 1..4 {
        open.until(quarter * EVENTS / 4).await;
        world.link.as_ref().unwrap().rebind();
        assert_quick(&world).await;
    }
    open.assert_all().await;
}
