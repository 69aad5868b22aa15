//! What the edge holds: the log, with what is gathered before it is told.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use gantz_audit::{Audit, Limits, OpenError};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::task::AbortOnDropHandle;

use super::Event;
use super::gathered::{Gathered, INTERVAL, Why};

/// See the module's head. A clone is another handle of the same log; the default one goes nowhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    audit: Audit,
    gathered: Arc<Mutex<Gathered>>,
}

/// Keeps the log written. Dropped, it tells what is gathered and waits until everything is on the disk.
#[derive(Debug)]
pub(crate) struct Keeper {
    log: Log,
    // After this one's own drop, in this order: nothing is told any more, and then the file is closed.
    _telling: AbortOnDropHandle<()>,
    _file: gantz_audit::Keeper,
}

impl Log {
    /// Opens the log in the file at `path`, from inside of a runtime.
    ///
    /// # Errors
    /// As of [`Audit::open`].
    pub(crate) fn open(path: &Path) -> Result<(Self, Keeper), OpenError> {
        let (audit, file) = Audit::open(path, Limits::default())?;
        let log = Self { audit, gathered: Arc::default() };
        let telling = AbortOnDropHandle::new(tokio::spawn({
            let log = log.clone();
            async move {
                let mut interval = interval_at(Instant::now() + INTERVAL, INTERVAL);
                interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    interval.tick().await;
                    log.tell();
                }
            }
        }));
        let keeper = Keeper { log: log.clone(), _telling: telling, _file: file };
        Ok((log, keeper))
    }

    /// Another handle, for what agents do.
    pub(crate) fn lines(&self) -> Self {
        self.clone()
    }

    /// Writes down what an agent has done, now or when what is repeated is told. Returns at once.
    pub(crate) fn write(&self, event: &Event<'_>) {
        if !self.audit.is_on() {
            return;
        }
        let (why, source) = event.kind();
        let mut gathered = self.lock();
        if gathered.is_line(why, source, "", SystemTime::now()) {
            self.audit.write(event);
        }
    }

    /// Writes down who was turned away, now or when what is repeated is told. Returns at once.
    pub(crate) fn turned_away(&self, why: Why, source: IpAddr, name: &str) {
        if !self.audit.is_on() {
            return;
        }
        let mut gathered = self.lock();
        if let Some(line) = gathered.take(why, source, name, SystemTime::now()) {
            self.audit.write(&line);
        }
    }

    /// How many lines were lost since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.audit.lost()
    }

    fn tell(&self) {
        // Under the lock to the end: what has been taken out is written before anybody closes the file.
        let mut gathered = self.lock();
        for line in gathered.tell() {
            self.audit.write(&line);
        }
    }

    // A poisoned lock is used all the same: counts are right after each step.
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.log.tell();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::edge::Code;

    const MISSING: Why = Why::AuthFailed(Code::MissingToken);

    fn counts(path: &Path) -> Vec<Option<u64>> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["count"].as_u64()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gathered_is_told_when_nothing_comes_any_more_and_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let (log, keeper) = Log::open(&path).unwrap();
        let source = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..5 {
            log.turned_away(MISSING, source, "calm-owl");
        }
        // Its own thread writes it, in a time that does not stand still here.
        tokio::time::sleep(INTERVAL + Duration::from_secs(1)).await;
        let mut tries = 0;
        while counts(&path).len() < 2 {
            tries += 1;
            assert!(tries < 30_000, "nothing is told");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(counts(&path), [None, Some(4)]);
        for _ in 0..3 {
            log.turned_away(MISSING, source, "calm-owl");
        }
        drop(keeper);
        assert_eq!(counts(&path), [None, Some(4), Some(3)]);
    }
}
