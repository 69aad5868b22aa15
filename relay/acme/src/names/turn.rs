//! What the orders of all names share: few of them at once, a limit a week, and a pause when it is not the name that is
//! the trouble.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::budget::{Budget, Place};
use crate::Pace;
use crate::limits::{NAMES_AT_ONCE, NAMES_REFUSED};
use crate::trouble::Trouble;

/// Who says whether a host is held by an open tunnel.
pub(super) type IsHeld = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// See the module's head.
pub(super) struct Turns {
    pub(super) budget: Arc<Budget>,
    at_once: Arc<Semaphore>,
    pause: Mutex<Pause>,
}

struct Pause {
    until: Instant,
    /// Failures in a row, of all names.
    failures: u32,
}

/// One name's.
#[derive(Clone)]
pub(crate) struct Turn {
    pub(super) host: String,
    pub(super) turns: Arc<Turns>,
    pub(super) is_held: IsHeld,
}

impl Turns {
    pub(super) fn new(budget: Arc<Budget>) -> Arc<Self> {
        let pause = Mutex::new(Pause { until: Instant::now(), failures: 0 });
        Arc::new(Self { budget, at_once: Arc::new(Semaphore::new(NAMES_AT_ONCE)), pause })
    }

    fn paused_until(&self) -> Instant {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner).until
    }
}

impl Turn {
    pub(crate) fn is_wanted(&self) -> bool {
        (self.is_held)(&self.host)
    }

    /// Waits for the turn; a new name gets a place among those of the week first, or is told that there is none.
    pub(crate) async fn take(&self, is_new: bool) -> Result<(Option<OwnedSemaphorePermit>, Option<Place>), Trouble> {
        let place = is_new.then(|| self.turns.budget.reserve(SystemTime::now())).transpose()?;
        loop {
            sleep_until(self.turns.paused_until()).await;
            // It is never closed.
            let permit = self.turns.at_once.clone().acquire_owned().await.ok();
            if self.turns.paused_until() <= Instant::now() {
                return Ok((permit, place));
            }
        }
    }

    /// What came of it.
    pub(crate) fn told(&self, trouble: Option<&Trouble>, pace: &Pace) {
        let mut pause = self.turns.pause.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(trouble) = trouble else {
            pause.failures = 0;
            return;
        };
        let is_the_names = match trouble {
            Trouble::NamesPerWeek { .. } => return,
            Trouble::RateLimited { .. } | Trouble::Unreachable(_) | Trouble::Store(_) => false,
            _ => true,
        };
        // Orders that were under way together fail together: they are one failure.
        if pause.until > Instant::now() {
            return;
        }
        pause.failures = pause.failures.saturating_add(1);
        let in_a_row = if is_the_names { pause.failures.saturating_sub(NAMES_REFUSED) } else { pause.failures };
        if in_a_row > 0 {
            let wait = pace.wait(trouble, in_a_row, None, SystemTime::now(), rand::random());
            // What it says of one name is not to keep the others waiting for days.
            pause.until = Instant::now() + wait.min(pace.rate_limited);
        }
    }
}
