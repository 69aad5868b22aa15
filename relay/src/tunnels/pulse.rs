//! Whether the agent still answers. A laptop that falls asleep, or a network that is gone, says nothing: until the tunnel
//! is given up for its silence, calls that are sent into it would only wait, and could not be sent again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gantz_transport::quic::Heard;
use tokio::time::Instant;

/// A request has brought no acknowledgement of the agent's in so long: the agent seems to be gone, or the way to it. Three
/// round trips of the slowest links.
pub(crate) const SILENCE: Duration = Duration::from_secs(2);

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Of the oldest request since which nothing was acknowledged: what there had been before it, and when it was sent.
    waiting: Mutex<Option<(Heard, Instant)>>,
}

impl Pulse {
    /// A request is sent, or waits for the window of the connection; until now this was heard.
    pub(super) fn sent(&self, heard: Heard) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_none_or(|(before, _)| before.acknowledgements != heard.acknowledgements) {
            *waiting = Some((heard, Instant::now()));
        }
    }

    /// Whether, with what is `heard` by now, an acknowledgement is overdue: where the connection's window is full, and so
    /// nothing was sent, none is. Asks only where one may be: the connection counts under a lock.
    pub(super) fn is_silent(&self, heard: impl FnOnce() -> Option<Heard>) -> bool {
        let waiting = *self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((before, _)) = waiting.filter(|(_, since)| since.elapsed() >= SILENCE) else { return false };
        heard().is_some_and(|now| now.acknowledgements == before.acknowledgements && now.asked > before.asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(acknowledgements: u64, asked: u64) -> Heard {
        Heard { acknowledgements, asked }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_to_be_asked_and_not_to_answer() {
        let pulse = Pulse::default();
        let is_silent = |acknowledgements, asked| pulse.is_silent(|| Some(heard(acknowledgements, asked)));
        tokio::time::advance(SILENCE * 2).await;
        assert!(!is_silent(7, 7), "nobody was asked");
        pulse.sent(heard(7, 7));
        assert!(!is_silent(7, 8), "it has time");
        tokio::time::advance(SILENCE / 2).await;
        pulse.sent(heard(7, 8));
        tokio::time::advance(SILENCE / 2).await;
        assert!(is_silent(7, 9), "the first question counts");
        assert!(!is_silent(8, 9), "it is acknowledged");
        pulse.sent(heard(8, 9));
        assert!(!is_silent(8, 10));
        tokio::time::advance(SILENCE).await;
        assert!(is_silent(8, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_the_window_is_no_question() {
        let pulse = Pulse::default();
        pulse.sent(heard(7, 7));
        tokio::time::advance(SILENCE * 2).await;
        assert!(!pulse.is_silent(|| Some(heard(7, 7))));
    }
}
