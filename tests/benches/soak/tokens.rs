//! The token of the tunnel that stays is rotated now and then; callers go over to the new one.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::world::World;

/// From one rotation to the next.
const EVERY: Duration = Duration::from_secs(45);

/// How long the old one lives: longer than any call that was begun with it.
const GRACE: &str = "15s";

/// When it is certainly dead.
const DEAD: Duration = Duration::from_secs(17);

pub(crate) async fn rotate(world: Arc<World>, stop: CancellationToken) {
    let rotations = async {
        loop {
            tokio::time::sleep(EVERY - DEAD).await;
            let made = world.token(&["rotate", "--grace", GRACE]).await;
            assert_eq!(made["applied"], true, "the relay does not know of it");
            let old = world.renew(made["token"].as_str().expect("a token").to_owned());
            tokio::time::sleep(DEAD).await;
            world.retire(old);
        }
    };
    stop.run_until_cancelled(rotations).await;
}
