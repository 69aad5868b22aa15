//! A caller that takes nothing of an answer that is there.

use std::sync::Arc;
use std::time::Duration;

use crate::config::UNREAD_AFTER;
use crate::tunnels::Unread;

/// To be raced against the caller's next sign of reading: ends when the caller has had `deadline`, or sooner when its
/// tunnel has too many answers that are not read. Meanwhile the answer counts as one of them. Cancel-safe.
pub(super) async fn give_up(unread: Option<Arc<Unread>>, deadline: Duration) {
    let patience = UNREAD_AFTER.min(deadline);
    tokio::time::sleep(patience).await;
    let rest = tokio::time::sleep(deadline.saturating_sub(patience));
    let Some(unread) = unread else { return rest.await };
    let place = unread.begin();
    tokio::select! {
        () = rest => tracing::debug!("an answer was not read in time"),
        () = place.given_up() => tracing::debug!("too many answers of a tunnel are not read"),
    }
}
