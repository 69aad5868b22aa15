//! Spans of time as flags, variables and files have them, each with what it may be. One parser: whatever it lets through
//! can be added to a clock.

use std::time::Duration;

use gantz_shared::span::MAX_SPAN;

/// What the spans of one setting are: 0, if that has a meaning, or from `least` to [`MAX_SPAN`].
#[derive(Debug, Clone, Copy)]
pub struct Spans {
    /// The shortest but 0.
    pub least: Duration,
    /// What 0 means, such as "for ever"; none: it is too short.
    pub zero: Option<&'static str>,
    /// What they look like.
    pub forms: &'static str,
}

impl Spans {
    /// Reads a span with its unit, or 0.
    ///
    /// # Errors
    /// What is wrong and, behind a semicolon, what would be right.
    pub fn read(&self, text: &str) -> Result<Duration, String> {
        let or = self.zero.map(|means| format!(", or 0 {means}")).unwrap_or_default();
        let span = if text == "0" { Ok(Duration::ZERO) } else { humantime::parse_duration(text) };
        match span {
            Err(_) => Err(format!("`{text}` is not a time; {}{or}", self.forms)),
            Ok(Duration::ZERO) if self.zero.is_some() => Ok(Duration::ZERO),
            Ok(span) if span < self.least => {
                Err(format!("`{text}` is too short; at least {}{or}", humantime::format_duration(self.least)))
            }
            Ok(span) if span > MAX_SPAN => Err(format!("`{text}` is more than a year; at most 366d{or}")),
            Ok(span) => Ok(span),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write() {
        let endless = Spans { least: Duration::from_secs(1), zero: Some("for ever"), forms: "90s or 24h" };
        let deadline = Spans { least: Duration::from_millis(1), zero: None, forms: "500ms or 30s" };
        for (text, of_endless, of_deadline) in [
            ("90s", Ok(90_000), Ok(90_000)),
            ("1h 30m", Ok(5_400_000), Ok(5_400_000)),
            ("366d", Ok(31_622_400_000), Ok(31_622_400_000)),
            ("1ms", Err("`1ms` is too short; at least 1s, or 0 for ever"), Ok(1)),
            ("0", Ok(0), Err("`0` is too short; at least 1ms")),
            ("0s", Ok(0), Err("`0s` is too short; at least 1ms")),
            ("1ns", Err("`1ns` is too short; at least 1s, or 0 for ever"), Err("`1ns` is too short; at least 1ms")),
            ("-1s", Err("`-1s` is not a time; 90s or 24h, or 0 for ever"), Err("`-1s` is not a time; 500ms or 30s")),
            ("5", Err("`5` is not a time; 90s or 24h, or 0 for ever"), Err("`5` is not a time; 500ms or 30s")),
            (
                "367d",
                Err("`367d` is more than a year; at most 366d, or 0 for ever"),
                Err("`367d` is more than a year; at most 366d"),
            ),
            (
                "500000000000y",
                Err("`500000000000y` is more than a year; at most 366d, or 0 for ever"),
                Err("`500000000000y` is more than a year; at most 366d"),
            ),
        ] {
            let milliseconds = |spans: &Spans| spans.read(text).map(|span| span.as_millis());
            assert_eq!(milliseconds(&endless), of_endless.map_err(str::to_owned), "{text}");
            assert_eq!(milliseconds(&deadline), of_deadline.map_err(str::to_owned), "{text}");
        }
        let beyond = "99999999999999999999999y";
        assert!(deadline.read(beyond).is_err());
    }
}
