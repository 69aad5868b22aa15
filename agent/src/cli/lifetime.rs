//! How long a token lives, as people write it.

use std::str::FromStr;
use std::time::Duration;

use gantz_cli::Spans;

use crate::tokens::MIN_LIFE;

/// What they look like.
const FORMS: &str = "90s, 15m, 24h";

/// See the module's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifetime {
    Limited(Duration),
    Endless,
}

impl Lifetime {
    /// None: there is no end.
    pub(super) fn limit(self) -> Option<Duration> {
        match self {
            Self::Limited(life) => Some(life),
            Self::Endless => None,
        }
    }
}

/// How long a token that has been replaced goes on; 0: not at all.
pub(super) fn grace(text: &str) -> Result<Duration, String> {
    Spans { least: Duration::from_millis(1), zero: Some("for not at all"), forms: FORMS }.read(text)
}

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let spans = Spans { least: MIN_LIFE, zero: Some("for ever"), forms: FORMS };
        match spans.read(text)? {
            // For ever is said on purpose: `0s` may be meant to be over at once.
            Duration::ZERO if text != "0" => {
                Err(format!("`{text}` is over before it has begun; at least 1s, or 0 for ever"))
            }
            Duration::ZERO => Ok(Self::Endless),
            life => Ok(Self::Limited(life)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write() {
        assert_eq!("0".parse(), Ok(Lifetime::Endless));
        assert_eq!("90s".parse(), Ok(Lifetime::Limited(Duration::from_secs(90))));
        assert_eq!("1h 30m".parse(), Ok(Lifetime::Limited(Duration::from_secs(5400))));
        for bad in ["-1", "0s", "10y", "", "1", "soon", "999ms", "1ns", "-1s", "500000000000y"] {
            assert!(bad.parse::<Lifetime>().is_err(), "{bad}");
        }
    }
}
