//! When a certificate is renewed: within the window that the certificate authority suggests (RFC 9773 §4.2), or else at
//! two thirds of its life. A random part of it keeps relays that were started together from coming together.

use time::{Duration, OffsetDateTime};

use crate::certificate::Certificate;

/// Of a certificate's life, this much may be drawn off the two thirds.
const JITTER: f64 = 1.0 / 20.0;

/// Whatever a certificate authority suggests, so much of the life is left for tries that fail.
const LAST: f64 = 1.0 / 10.0;

/// The window in which the certificate authority wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: OffsetDateTime,
    pub(super) end: OffsetDateTime,
}

/// When one certificate is renewed. Its random part is drawn once, and drawn again where the window moves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    window: Option<Window>,
    at: OffsetDateTime,
}

impl Due {
    /// `drawn` is from 0 to 1.
    pub(super) fn of(certificate: &Certificate, drawn: f64) -> Self {
        Self::within(certificate.not_before(), certificate.not_after(), drawn)
    }

    fn within(not_before: OffsetDateTime, not_after: OffsetDateTime, drawn: f64) -> Self {
        let life = not_after - not_before;
        let at = not_before + part(life, 2.0 / 3.0 - drawn * JITTER);
        Self { not_before, not_after, window: None, at }
    }

    pub(super) fn suggest(&mut self, window: Window, drawn: f64) {
        if self.window == Some(window) || window.end < window.start {
            return;
        }
        let last = self.not_after - part(self.not_after - self.not_before, LAST);
        self.window = Some(window);
        self.at = (window.start + part(window.end - window.start, drawn)).min(last);
    }

    pub(super) fn at(&self) -> OffsetDateTime {
        self.at
    }

    pub(super) fn is_suggested(&self) -> bool {
        self.window.is_some()
    }
}

fn part(of: Duration, factor: f64) -> Duration {
    Duration::seconds_f64(of.as_seconds_f64() * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn days(number: i64) -> OffsetDateTime {
        START + Duration::days(number)
    }

    #[test]
    fn a_certificate_of_90_days_is_renewed_before_the_60th_and_not_before_the_55th() {
        assert_eq!(Due::within(START, days(90), 0.0).at().to_julian_day(), days(60).to_julian_day());
        let early = Due::within(START, days(90), 1.0).at();
        assert!(early > days(55) && early < days(56), "{early}");
    }

    #[test]
    fn a_suggestion_is_followed_and_its_random_part_stays() {
        let mut due = Due::within(START, days(90), 0.5);
        let window = Window { start: days(10), end: days(12) };
        due.suggest(window, 0.5);
        assert_eq!(due.at(), days(11));
        due.suggest(window, 0.9);
        assert_eq!(due.at(), days(11));
        due.suggest(Window { start: days(20), end: days(20) }, 0.9);
        assert_eq!(due.at(), days(20));
        assert!(due.is_suggested());
    }

    #[test]
    fn a_suggestion_that_leaves_no_time_or_makes_no_sense_is_bounded() {
        let mut due = Due::within(START, days(90), 0.0);
        let before = due.at();
        due.suggest(Window { start: days(80), end: days(70) }, 0.5);
        assert_eq!(due.at(), before);
        due.suggest(Window { start: days(100), end: days(120) }, 0.5);
        assert_eq!(due.at(), days(81));
    }
}
