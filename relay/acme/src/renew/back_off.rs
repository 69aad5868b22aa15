//! How long is waited after a try that failed.

use std::time::{Duration, SystemTime};

use crate::trouble::Trouble;

/// When tries that failed are made again. The wait doubles with each, up to [`ceiling`](Self::ceiling), and up to a
/// quarter less is drawn, so that relays that failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// After the certificate authority could not be asked, or nothing could be kept.
    pub unreachable: Duration,
    /// After it said no. Certificate authorities count those: Let's Encrypt takes 5 an hour.
    pub refused: Duration,
    /// After it had been asked too often, where it does not say for how long.
    pub rate_limited: Duration,
    /// The shortest time between two certificates, whatever a clock or a certificate authority says; a quarter of the
    /// life of one that lives shorter.
    pub between: Duration,
    /// The longest wait, except where the certificate authority says how long.
    pub ceiling: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            unreachable: Duration::from_secs(30),
            refused: Duration::from_secs(10 * 60),
            rate_limited: Duration::from_secs(60 * 60),
            between: Duration::from_secs(60 * 60),
            ceiling: Duration::from_secs(6 * 60 * 60),
        }
    }
}

impl Pace {
    /// How long to wait after `trouble`, the `failures`-th failure in a row. `left` is what is left of the certificate's
    /// life: near its end the waits get shorter again, but never shorter than the first one. `drawn` is from 0 to 1.
    pub(crate) fn wait(
        &self,
        trouble: &Trouble,
        failures: u32,
        left: Option<Duration>,
        now: SystemTime,
        drawn: f64,
    ) -> Duration {
        let first = match trouble {
            Trouble::RateLimited { until: Some(until), .. } => {
                let told = until.duration_since(now).unwrap_or(Duration::ZERO);
                return told.max(self.unreachable) + self.unreachable.mul_f64(drawn);
            }
            Trouble::NamesPerWeek { until, .. } => {
                let told = SystemTime::from(*until).duration_since(now).unwrap_or(Duration::ZERO);
                return told + self.unreachable.mul_f64(drawn);
            }
            Trouble::RateLimited { .. } => self.rate_limited,
            Trouble::Unreachable(_) | Trouble::Store(_) => self.unreachable,
            Trouble::Refused(_) | Trouble::Hook(_) | Trouble::Useless(_) | Trouble::Clock { .. } => self.refused,
        };
        let doubled = first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let mut wait = doubled.min(self.ceiling);
        if let Some(left) = left {
            wait = wait.min((left / 4).max(first));
        }
        wait.mul_f64(1.0 - drawn / 4.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(trouble: &Trouble, failures: u32, left: Option<Duration>) -> Duration {
        Pace::default().wait(trouble, failures, left, SystemTime::UNIX_EPOCH, 0.0)
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn waits_double_up_to_a_ceiling() {
        let no = Trouble::Refused(String::new());
        let waits: Vec<_> = (1..8).map(|failures| wait(&no, failures, None) / 60).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 360]);
        assert_eq!(wait(&no, u32::MAX, None), MINUTE * 360);
        let drawn = Pace::default().wait(&no, 1, None, SystemTime::UNIX_EPOCH, 1.0);
        assert_eq!(drawn, Duration::from_secs(450));
    }

    #[test]
    fn no_more_than_five_are_refused_in_an_hour() {
        let no = Trouble::Refused(String::new());
        let (mut at, mut tries) = (Duration::ZERO, 1);
        while at < MINUTE * 60 {
            at += Pace::default().wait(&no, tries, None, SystemTime::UNIX_EPOCH, 1.0);
            tries += 1;
        }
        assert!(tries <= 5, "{tries}");
    }

    #[test]
    fn near_the_end_of_a_certificate_waits_get_shorter_and_never_shorter_than_the_first() {
        let no = Trouble::Unreachable(String::new());
        assert_eq!(wait(&no, 20, Some(MINUTE * 400)), MINUTE * 100);
        assert_eq!(wait(&no, 20, Some(Duration::ZERO)), Duration::from_secs(30));
    }

    #[test]
    fn what_the_certificate_authority_says_of_coming_back_is_kept_to() {
        let day = MINUTE * 60 * 24;
        let until = Some(SystemTime::UNIX_EPOCH + day);
        let limited = |until| Trouble::RateLimited { why: String::new(), until };
        assert_eq!(wait(&limited(until), 1, Some(MINUTE)), day);
        assert_eq!(wait(&limited(Some(SystemTime::UNIX_EPOCH)), 1, None), Duration::from_secs(30));
        assert_eq!(wait(&limited(None), 1, None), MINUTE * 60);
    }
}
