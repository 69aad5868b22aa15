//! The agent's machine gets another address, as a laptop does in another network. QUIC goes on (RFC 9000 §9).

use std::time::Duration;

use super::site::Site;
use crate::linked::RECOVERY;

#[tokio::test]
async fn nobody_notices_that_the_agent_has_another_address() {
    let site = Site::start(|_| {}).await;
    assert_eq!(site.transport, "quic");
    let load = site.load().await;
    for last in [7, 8, 7] {
        site.machines.move_agent(last);
        load.flows(RECOVERY).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    load.finish().await.assert_unnoticed();
}
