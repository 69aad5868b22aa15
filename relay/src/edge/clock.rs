//! Adding to a clock, for spans of any length: a library's user may configure what no command line lets through.

use std::time::Duration;

use tokio::time::Instant;

/// In place of a time that a clock cannot tell.
const FAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// `span` from now.
pub(super) fn later(span: Duration) -> Instant {
    after(Instant::now(), span)
}

/// `span` from `since`.
pub(super) fn after(since: Instant, span: Duration) -> Instant {
    since.checked_add(span).unwrap_or_else(|| since + FAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_span_is_too_long() {
        let now = Instant::now();
        assert_eq!(after(now, Duration::from_secs(1)), now + Duration::from_secs(1));
        assert_eq!(after(now, Duration::MAX), now + FAR);
    }
}
