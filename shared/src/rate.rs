//! How often something may happen: so many times a period, and so many at once.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a rate looks like.
const FORMS: &str = "10/s, 100/min or 5000/h, and a burst behind a colon if it is another: 100/min:20";

/// A rate: `times` a `period`, of which up to `burst` may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    times: NonZeroU32,
    period: Period,
    burst: NonZeroU32,
}

/// What a rate is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Second,
    Minute,
    Hour,
}

impl Period {
    const ALL: [Self; 3] = [Self::Second, Self::Minute, Self::Hour];

    fn name(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
        }
    }

    fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        })
    }
}

impl Rate {
    /// So many times a second, of which up to `burst` may come at once; zero counts as one.
    #[must_use]
    pub const fn per_second(times: u32, burst: u32) -> Self {
        const fn at_least_one(number: u32) -> NonZeroU32 {
            match NonZeroU32::new(number) {
                Some(number) => number,
                None => NonZeroU32::MIN,
            }
        }
        Self { times: at_least_one(times), period: Period::Second, burst: at_least_one(burst) }
    }

    /// The time in which one more is allowed; at least a nanosecond.
    #[must_use]
    pub fn interval(self) -> Duration {
        (self.period.length() / self.times.get()).max(Duration::from_nanos(1))
    }

    /// How many may come at once.
    #[must_use]
    pub fn burst(self) -> NonZeroU32 {
        self.burst
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let bad = || InvalidRate(text.chars().take(64).collect());
        let (rate, burst) = match text.split_once(':') {
            Some((rate, burst)) => (rate, Some(burst)),
            None => (text, None),
        };
        let (times, period) = rate.split_once('/').ok_or_else(bad)?;
        let number = |text: &str| text.parse::<NonZeroU32>().map_err(|_| bad());
        let times = number(times)?;
        let period = Period::ALL.into_iter().find(|known| known.name() == period).ok_or_else(bad)?;
        let burst = burst.map(number).transpose()?.unwrap_or(times);
        Ok(Self { times, period, burst })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.times, self.period.name())?;
        if self.burst == self.times { Ok(()) } else { write!(f, ":{}", self.burst) }
    }
}

impl TryFrom<String> for Rate {
    type Error = InvalidRate;

    fn try_from(text: String) -> Result<Self, InvalidRate> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

/// Not a rate, or one of zero.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rate; {FORMS}")]
pub struct InvalidRate(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write() {
        for (text, interval, burst) in [
            ("10/s", Duration::from_millis(100), 10),
            ("100/min", Duration::from_millis(600), 100),
            ("100/min:20", Duration::from_millis(600), 20),
            ("1/h", Duration::from_secs(3600), 1),
            ("4294967295/s", Duration::from_nanos(1), u32::MAX),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.interval(), rate.burst().get()), (interval, burst), "{text}");
            assert_eq!(rate.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_rate() {
        for text in ["", "0/s", "10", "10/day", "-1/s", "10/s:0", "10/s:", "/s", "1.5/s", "99999999999/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
