//! What is waiting to be written: whole lines, bounded in bytes. A channel would bound their number, and with it little:
//! one line may be a thousand times as long as another.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::line::{self, Openings};

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Queue {
    capacity: usize,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    openings: Openings,
    lines: Vec<u8>,
    /// Lost after the last of `lines`, and not told in them.
    untold: u64,
    /// Lost since the start.
    lost: u64,
    /// Somebody sleeps until there are lines: only then is it worth a call of the system to wake them.
    awaited: bool,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, waiting: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line, or counts it as lost; after the close it does neither. Waits for nothing but others that copy a
    /// line or swap a buffer under the same lock.
    pub(crate) fn push(&self, body: &[u8]) {
        let mut waiting = self.lock();
        if waiting.closed {
            return;
        }
        let told = if waiting.untold > 0 { line::lost(waiting.untold) } else { Vec::new() };
        let lines = if told.is_empty() { 1 } else { 2 };
        if waiting.lines.len() + lines * line::OPENING_LEN + told.len() + body.len() > self.capacity {
            waiting.untold += 1;
            waiting.lost += 1;
        } else {
            // Told here, under the lock: lines stand in the order of their times.
            let Waiting { lines, openings, .. } = &mut *waiting;
            let opening = openings.next(Timestamp::now());
            for body in [&told, body].into_iter().filter(|body| !body.is_empty()) {
                lines.extend_from_slice(opening.as_bytes());
                lines.extend_from_slice(body);
            }
            waiting.untold = 0;
        }
        let wake = std::mem::take(&mut waiting.awaited) || self.is_filling(&waiting);
        drop(waiting);
        if wake {
            self.changed.notify_one();
        }
    }

    /// Whether lines are lost soon if nobody takes them.
    fn is_filling(&self, waiting: &Waiting) -> bool {
        waiting.lines.len() > self.capacity / 2
    }

    /// Counts what never became a line.
    pub(crate) fn lose(&self) {
        let mut waiting = self.lock();
        if !waiting.closed {
            waiting.untold += 1;
            waiting.lost += 1;
            waiting.awaited = false;
            drop(waiting);
            self.changed.notify_one();
        }
    }

    /// Waits for lines and moves them all to `batch`, which has to be empty. `false` once there are none and never will
    /// be.
    pub(crate) fn take(&self, batch: &mut Vec<u8>) -> bool {
        let waiting = self.lock();
        let idle = |waiting: &mut Waiting| {
            waiting.awaited = waiting.lines.is_empty() && waiting.untold == 0 && !waiting.closed;
            waiting.awaited
        };
        let mut waiting = self.changed.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(batch, &mut waiting.lines);
        if waiting.untold > 0 {
            batch.extend_from_slice(line::opening(Timestamp::now()).as_bytes());
            batch.extend_from_slice(&line::lost(std::mem::take(&mut waiting.untold)));
        }
        !batch.is_empty()
    }

    /// Waits until `time` is over. `false` at once when the queue is closed.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let waiting = self.lock();
        let open = |waiting: &mut Waiting| !waiting.closed;
        let (waiting, _) = self.changed.wait_timeout_while(waiting, time, open).unwrap_or_else(PoisonError::into_inner);
        !waiting.closed
    }

    /// Lets lines gather for `time`, or until there are so many that more would soon be lost. Returns at once when the
    /// queue is closed.
    pub(crate) fn gather(&self, time: Duration) {
        let waiting = self.lock();
        let gathering = |waiting: &mut Waiting| !waiting.closed && !self.is_filling(waiting);
        drop(self.changed.wait_timeout_while(waiting, time, gathering).unwrap_or_else(PoisonError::into_inner));
    }

    /// How many events were lost since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// No lines any more but those that are there.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"\"event\":\"e\"}\n";

    fn taken(queue: &Queue) -> Vec<String> {
        let mut batch = Vec::new();
        queue.take(&mut batch);
        let lines = String::from_utf8(batch).unwrap();
        lines.lines().map(|line| line.split_once(',').unwrap().1.to_owned()).collect()
    }

    #[test]
    fn what_does_not_fit_is_counted_where_it_is_missing() {
        let line = line::OPENING_LEN + BODY.len();
        let queue = Queue::new(2 * line);
        for _ in 0..5 {
            queue.push(BODY);
        }
        let event = "\"event\":\"e\"}";
        assert_eq!(taken(&queue), [event, event, "\"event\":\"audit_lost\",\"count\":3}"]);
        queue.push(BODY);
        assert_eq!(taken(&queue), [event]);
        assert_eq!(queue.lost(), 3);
    }

    #[test]
    fn a_short_line_after_a_lost_long_one_comes_after_its_count() {
        let line = line::OPENING_LEN + BODY.len();
        let queue = Queue::new(4 * line);
        let long = [b"\"event\":\"long".as_slice(), &[b'g'; 1000], b"\"}\n"].concat();
        queue.push(BODY);
        queue.push(&long);
        queue.push(&long);
        queue.push(BODY);
        let event = "\"event\":\"e\"}";
        assert_eq!(taken(&queue), [event, "\"event\":\"audit_lost\",\"count\":2}", event]);
    }

    #[test]
    fn after_the_close_there_is_what_was_there() {
        let queue = Queue::new(1000);
        queue.push(BODY);
        queue.close();
        queue.push(BODY);
        queue.lose();
        assert_eq!(taken(&queue).len(), 1);
        assert!(!queue.take(&mut Vec::new()), "and then nothing");
        assert_eq!(queue.lost(), 0);
        assert!(!queue.pause(Duration::from_secs(3600)));
    }
}
