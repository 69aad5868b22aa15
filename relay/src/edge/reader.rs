//! A caller that takes nothing of an answer that is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::config::{UNREAD_AFTER, UNREAD_PATIENCE};
use crate::tunnels::Unread;

/// To be raced against the caller's next sign of reading: ends when the caller has had `deadline`, or sooner when its
/// tunnel, or the relay, has too many answers that are not read. Meanwhile the answer counts as one of them. Cancel-safe.
///
/// `taken` says when the connection last took something: a caller that reads what is before this answer has not had its
/// time, unless there are too many.
pub(super) async fn give_up(unread: Option<Arc<Unread>>, deadline: Duration, taken: impl Fn() -> Instant) {
    let begun = Instant::now();
    let deadline = silence(begun, deadline, taken);
    let Some(unread) = unread else { return deadline.await };
    let too_many = async {
        sleep_until(begun + UNREAD_AFTER).await;
        let place = unread.begin();
        if timeout_at(begun + UNREAD_PATIENCE, place.given_up()).await.is_err() {
            place.lose_patience();
            place.given_up().await;
        }
    };
    tokio::select! {
        () = deadline => tracing::debug!("an answer was not read in time"),
        () = too_many => tracing::debug!("too many answers are not read"),
    }
}

/// Waits until nothing has been taken for `length`.
async fn silence(begun: Instant, length: Duration, taken: impl Fn() -> Instant) {
    let mut since = begun;
    loop {
        sleep_until(since + length).await;
        let later = taken();
        if later <= since {
            return;
        }
        since = later;
    }
}
