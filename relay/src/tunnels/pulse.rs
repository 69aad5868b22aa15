//! Whether the agent still answers. A laptop that falls asleep, or a network that is gone, says nothing: until the tunnel
//! is given up for its silence, calls that are sent into it would only wait, and could not be sent again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A request has brought no acknowledgement of the agent's in so long: the agent seems to be gone, or the way to it. Three
/// round trips of the slowest links.
pub(crate) const SILENCE: Duration = Duration::from_secs(2);

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Of the oldest request since which nothing was acknowledged: how many acknowledgements there had been, and when it
    /// was sent.
    waiting: Mutex<Option<(u64, Instant)>>,
}

impl Pulse {
    /// A request is sent, after so many acknowledgements have come.
    pub(super) fn sent(&self, acknowledgements: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_none_or(|(before, _)| before != acknowledgements) {
            *waiting = Some((acknowledgements, Instant::now()));
        }
    }

    /// Whether, now that so many `acknowledgements` have come, another one is overdue. Asks for them only where one may be:
    /// the connection counts under a lock.
    pub(super) fn is_silent(&self, acknowledgements: impl FnOnce() -> Option<u64>) -> bool {
        let waiting = *self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.is_some_and(|(before, since)| since.elapsed() >= SILENCE && acknowledgements() == Some(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_to_be_asked_and_not_to_answer() {
        let pulse = Pulse::default();
        tokio::time::advance(SILENCE * 2).await;
        assert!(!pulse.is_silent(|| Some(7)), "nobody was asked");
        pulse.sent(7);
        assert!(!pulse.is_silent(|| Some(7)), "it has time");
        tokio::time::advance(SILENCE / 2).await;
        pulse.sent(7);
        tokio::time::advance(SILENCE / 2).await;
        assert!(pulse.is_silent(|| Some(7)), "the first question counts");
        assert!(!pulse.is_silent(|| Some(8)), "it is acknowledged");
        pulse.sent(8);
        assert!(!pulse.is_silent(|| Some(8)));
        tokio::time::advance(SILENCE).await;
        assert!(pulse.is_silent(|| Some(8)));
    }
}
