//! When a key dies, as an operator says it: after a time, or at a moment.

use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::now;

/// Seconds since 1970; none: never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Expiry(pub(crate) Option<u64>);

impl FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{}` is neither a time nor a moment to come; 90d, 12h or 2030-01-31T00:00:00Z",
                text.escape_debug()
            )
        };
        if text == "never" {
            return Ok(Self(None));
        }
        if let Ok(life) = humantime::parse_duration(text) {
            return if life.as_secs() == 0 { Err(bad()) } else { Ok(Self(Some(now().saturating_add(life.as_secs())))) };
        }
        let at = humantime::parse_rfc3339_weak(text).map_err(|_| bad())?;
        let at = at.duration_since(UNIX_EPOCH).map_err(|_| bad())?.as_secs();
        if at <= now() { Err(bad()) } else { Ok(Self(Some(at))) }
    }
}

impl TryFrom<String> for Expiry {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Seconds since 1970 as RFC 3339 has them.
pub(crate) fn timestamp(at: u64) -> String {
    /// The last second of the year 9999, the last one that RFC 3339 has.
    const LAST: u64 = 253_402_300_799;
    let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(at.min(LAST));
    humantime::format_rfc3339_seconds(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_a_moment() {
        assert_eq!("never".parse(), Ok(Expiry(None)));
        let Expiry(Some(at)) = "90d".parse().unwrap() else { panic!("it ends") };
        assert!((now() + 90 * 86_400 - at) <= 1);
        assert_eq!("2100-01-31T00:00:00Z".parse(), Ok(Expiry(Some(4_105_036_800))));
        assert_eq!(timestamp(4_105_036_800), "2100-01-31T00:00:00Z");
        timestamp(u64::MAX);
        for bad in ["", "0s", "soon", "1999-01-01T00:00:00Z", "1900-01-01 00:00:00"] {
            assert!(bad.parse::<Expiry>().is_err(), "{bad}");
        }
    }
}
