//! A constant rate: each caller has its times at which the next request is due, whether or not the last one is answered.
//! Who is late makes up for it, so that a pause is seen by every request that came due in it, and not by one alone.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::closed::Caller;
use super::durations::nanos;

/// Has each of them call once in `every`, spread evenly over it as far as a timer's steps of 1 ms allow: for a quarter of
/// `time` to warm up, then, when `begun` is told, for `time`. Gives how long each request took that was due in the latter, nanoseconds: from when it was due where the
/// caller still waited for an answer then; else from when it was sent, which by the timer may be 1 ms later. And how long it
/// was until the last was answered, `time` at least.
pub async fn run(
    callers: Vec<impl Caller>,
    every: Duration,
    time: Duration,
    begun: impl FnOnce(),
) -> (Vec<u32>, Duration) {
    let (now, count) = (Instant::now(), callers.len() as u32);
    let begin = now + time / 4;
    let end = begin + time;
    let mut running = JoinSet::new();
    for (index, mut caller) in (0_u32..).zip(callers) {
        running.spawn(async move {
            let mut took = Vec::new();
            let mut due = now + every * index / count;
            while due < end {
                let is_late = Instant::now() > due;
                tokio::time::sleep_until(due.into()).await;
                let from = if is_late { due } else { Instant::now() };
                caller.call().await;
                if due >= begin {
                    took.push(nanos(from.elapsed()));
                }
                due += every;
            }
            took
        });
    }
    tokio::time::sleep_until(begin.into()).await;
    begun();
    let took = running.join_all().await.concat();
    (took, begin.elapsed().max(time))
}
