//! One event as one line. JSON escapes line breaks inside of strings; the characters that it does not escape and that
//! some reader takes for a line break or a command to a terminal are escaped here too, so that no caller can forge a line.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// The longest line that is written whole, bytes. Of a longer one its event and its length are written: what a caller
/// can make long must not be a way past the log.
pub const MAX_LINE: usize = 64 << 10;

/// Bytes in which the name of an event has to end.
const MAX_EVENT: usize = 128;

/// What every event has to begin with.
const EVENT: &[u8] = br#"{"event":""#;

/// What the body of a line begins with that stands for others.
const LOST: &[u8] = br#""event":"audit_lost","count":"#;

/// Bytes before the body of a line: `{"time":"2026-01-02T03:04:05.678Z",`.
pub(crate) const OPENING_LEN: usize = 35;

/// What is behind the time.
const AFTER_TIME: &str = "\",";

/// An event but for its time: from the key `event` to the end of the line. `None` when it is no event.
pub(crate) fn body(event: &impl Serialize) -> Option<Vec<u8>> {
    let mut json = Vec::with_capacity(256);
    event.serialize(&mut Serializer::with_formatter(&mut json, OneLine)).ok()?;
    let name = json.strip_prefix(EVENT)?;
    let name = &name[..name.iter().take(MAX_EVENT).position(|byte| *byte == b'"')?];
    if json.len() > MAX_LINE {
        let too_long = json.len();
        json = [EVENT, name, b"\""].concat();
        json.extend_from_slice(format!(",\"too_long\":{too_long}}}").as_bytes());
    }
    // A line break that is left is one between two values, from an event that holds JSON as it came.
    for byte in &mut json {
        *byte = if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    }
    json.push(b'\n');
    json.remove(0);
    Some(json)
}

/// The line that stands for `count` others. Its body, as of [`body`].
pub(crate) fn lost(count: u64) -> Vec<u8> {
    [LOST, format!("{count}}}\n").as_bytes()].concat()
}

/// How many of these lines tell what happened, and not what was lost.
pub(crate) fn count_events(lines: &[u8]) -> u64 {
    let told = |line: &&[u8]| line.get(OPENING_LEN..).is_some_and(|body| !body.starts_with(LOST));
    lines.split(|byte| *byte == b'\n').filter(told).count() as u64
}

/// What stands before a body: the time, RFC 3339 in UTC.
pub(crate) fn opening(time: Timestamp) -> String {
    format!("{{\"time\":\"{time:.3}{AFTER_TIME}")
}

/// One opening after the other. Within a second only the milliseconds are written anew: a date costs as much as the rest
/// of a line.
#[derive(Debug, Default)]
pub(crate) struct Openings {
    /// Of `last`.
    second: Option<i64>,
    last: String,
}

impl Openings {
    pub(crate) fn next(&mut self, time: Timestamp) -> &str {
        let second = time.as_second();
        // Before 1970 a fraction is negative, and belongs to the second after it.
        let millis = u32::try_from(time.subsec_millisecond()).unwrap_or(0);
        if self.second != Some(second) || time.subsec_nanosecond() < 0 {
            self.last = opening(time);
            self.second = (time.subsec_nanosecond() >= 0).then_some(second);
        } else {
            self.last.truncate(OPENING_LEN - AFTER_TIME.len() - "678Z".len());
            self.last.extend([100, 10, 1].map(|unit| char::from_digit(millis / unit % 10, 10).unwrap_or('0')));
            self.last.push('Z');
            self.last.push_str(AFTER_TIME);
        }
        &self.last
    }
}

/// See the module's head.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        // Nearly every string is this one fragment.
        if rest.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return writer.write_all(rest.as_bytes());
        }
        while let Some(at) = rest.find(is_unsafe) {
            let (before, from) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut characters = from.chars();
            if let Some(character) = characters.next() {
                write!(writer, "\\u{:04x}", u32::from(character))?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Controls (Unicode `Cc`: also DEL and C1, in which some terminals see commands), line and paragraph separators, and the
/// marks that turn the direction of text. All of them have four hex digits.
fn is_unsafe(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Serialize)]
    #[serde(tag = "event", rename_all = "snake_case")]
    enum Event<'a> {
        AuthFailed { source: &'a str },
    }

    fn line(source: &str) -> String {
        let opening = opening("2026-01-02T03:04:05.678912Z".parse().unwrap());
        opening + std::str::from_utf8(&body(&Event::AuthFailed { source }).unwrap()).unwrap()
    }

    #[test]
    fn time_and_event_come_first() {
        assert_eq!(
            line("192.0.2.1"),
            "{\"time\":\"2026-01-02T03:04:05.678Z\",\"event\":\"auth_failed\",\"source\":\"192.0.2.1\"}\n"
        );
    }

    #[test]
    fn what_some_reader_takes_for_a_line_break_is_escaped() {
        let written = line("a\nb\r\u{b}\u{c}\u{1c}\u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}c");
        assert!(
            written.contains(r#""a\nb\r\u000b\f\u001c\u007f\u0085\u009b\u2028\u2029\u202ec""#),
            "{}",
            written.escape_debug()
        );
    }

    #[test]
    fn a_time_on_the_second_has_its_milliseconds() {
        let opening = opening("2026-01-02T03:04:05Z".parse().unwrap());
        assert_eq!(opening, r#"{"time":"2026-01-02T03:04:05.000Z","#);
        assert_eq!(opening.len(), OPENING_LEN);
    }

    #[test]
    fn openings_are_the_same_one_by_one() {
        let mut openings = Openings::default();
        for time in [
            "2026-01-02T03:04:05.678Z",
            "2026-01-02T03:04:05.999Z",
            "2026-01-02T03:04:05.007Z",
            "2026-01-02T03:04:06Z",
            "1969-12-31T23:59:59.5Z",
            "1969-12-31T23:59:59.25Z",
            "1970-01-01T00:00:00.001Z",
            "1970-01-01T00:00:00.02Z",
        ] {
            let time: Timestamp = time.parse().unwrap();
            assert_eq!(openings.next(time), opening(time));
        }
    }

    #[test]
    fn what_is_too_long_is_still_named() {
        let written = line(&"x".repeat(MAX_LINE));
        let read: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read["event"], "auth_failed");
        assert!(read["too_long"].as_u64().unwrap() > MAX_LINE as u64);
        assert!(written.len() < 200);
    }

    #[test]
    fn lines_that_tell_of_lost_ones_are_not_counted() {
        let opening = opening(Timestamp::now());
        let lost = opening + std::str::from_utf8(&lost(7)).unwrap();
        let lines = [line("a"), lost, line("b")].concat();
        assert_eq!(count_events(lines.as_bytes()), 2);
        assert_eq!(count_events(b""), 0);
    }

    #[test]
    fn what_names_no_event_first_is_none() {
        for value in [json!("text"), json!({}), json!({"a": 1, "event": "late"}), json!({"event": 1}), json!(null)] {
            assert!(body(&value).is_none(), "{value}");
        }
        assert!(body(&json!({ "event": "e".repeat(MAX_EVENT) })).is_none());
        assert!(body(&std::collections::BTreeMap::from([((), 1)])).is_none(), "a key that JSON does not know");
    }

    proptest! {
        #[test]
        fn every_string_comes_back_from_its_one_line(source in prop::collection::vec(any::<char>(), 0..60)) {
            let source: String = source.into_iter().collect();
            let written = line(&source);
            let read: Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(&read["source"], &source);
            let without_end = written.strip_suffix('\n').unwrap();
            prop_assert!(!without_end.contains(is_unsafe));
        }
    }
}
