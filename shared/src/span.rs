//! Spans of time, as people say them.

use std::time::Duration;

/// The longest span that anybody can ask for, of a flag or of a token's life: what is meant to last longer is meant to
/// last for ever, and says so. Any clock takes it.
pub const MAX_SPAN: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// `24 h` and not `23h 59m 59s`: to the largest unit that is at least two, or the hour.
#[must_use]
pub fn rounded(span: Duration) -> String {
    match span.as_secs_f64() {
        span if span >= 48.5 * 3600.0 => format!("{:.0} days", span / 86_400.0),
        span if span >= 3599.0 => format!("{:.0} h", span / 3600.0),
        span if span >= 119.0 => format!("{:.0} min", span / 60.0),
        span => format!("{span:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_say_them() {
        for (seconds, said) in [
            (0, "0 s"),
            (118, "118 s"),
            (120, "2 min"),
            (3_598, "60 min"),
            (3_600, "1 h"),
            (86_399, "24 h"),
            (172_800, "48 h"),
            (30 * 86_400, "30 days"),
        ] {
            assert_eq!(rounded(Duration::from_secs(seconds)), said);
        }
    }
}
