//! How long a token lives, as people write it.

use std::str::FromStr;
use std::time::Duration;

/// The longest life that can be given: what lives longer is forgotten by its owner. For ever is for ever, on purpose.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

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
    let grace = super::args::duration(text)?;
    if grace > LONGEST { Err(format!("`{text}` is more than a year; at most 366d")) } else { Ok(grace) }
}

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "0" {
            return Ok(Self::Endless);
        }
        let life = humantime::parse_duration(text)
            .map_err(|_| format!("`{text}` is not a time; 90s, 15m, 24h, or 0 for ever"))?;
        if life < Duration::from_secs(1) {
            return Err(format!("`{text}` is over before it has begun; at least 1s, or 0 for ever"));
        }
        if life > LONGEST {
            return Err(format!("`{text}` is more than a year; at most 366d, or 0 for ever"));
        }
        Ok(Self::Limited(life))
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
        for bad in ["-1", "0s", "10y", "", "1", "soon", "999ms"] {
            assert!(bad.parse::<Lifetime>().is_err(), "{bad}");
        }
    }
}
