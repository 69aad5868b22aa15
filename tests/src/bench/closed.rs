//! A closed loop: each caller sends its next request when it has the whole answer to the last.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::durations::nanos;

/// Who sends them.
pub trait Caller: Send + 'static {
    /// A request, until its whole answer is there and was looked at.
    fn call(&mut self) -> impl Future<Output = ()> + Send;
}

/// Has all of them call: for a quarter of `time` to warm up, then, when `begun` is told, for `time`. Gives how long each
/// request took that was answered in the latter, nanoseconds.
pub async fn run(callers: Vec<impl Caller>, time: Duration, begun: impl FnOnce()) -> Vec<u32> {
    let begin = Instant::now() + time / 4;
    let end = begin + time;
    let mut running = JoinSet::new();
    for mut caller in callers {
        running.spawn(async move {
            let mut took = Vec::with_capacity(1 << 16);
            loop {
                let sent = Instant::now();
                caller.call().await;
                let done = Instant::now();
                if done >= end {
                    return took;
                }
                if done >= begin {
                    took.push(nanos(done - sent));
                }
            }
        });
    }
    tokio::time::sleep_until(begin.into()).await;
    begun();
    running.join_all().await.concat()
}
