//! What a label may be: something that is in a list and in a log what it seems to be.

use gantz_shared::limits::MAX_LABEL;

/// Characters that are not seen, or change how others are: of Unicode 16, the format characters (general category Cf), those
/// that are ignored where they cannot be shown (`Default_Ignorable_Code_Point`), the empty Braille pattern, and those of
/// private use. With them two labels look alike, or a line reads backwards.
const UNSEEN: [(u32, u32); 29] = [
    (0x00ad, 0x00ad),
    (0x034f, 0x034f),
    (0x0600, 0x0605),
    (0x061c, 0x061c),
    (0x06dd, 0x06dd),
    (0x070f, 0x070f),
    (0x0890, 0x0891),
    (0x08e2, 0x08e2),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x200b, 0x200f),
    (0x202a, 0x202e),
    (0x2060, 0x2064),
    (0x2065, 0x206f),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xe000, 0xf8ff),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xfffb),
    (0x110bd, 0x110bd),
    (0x110cd, 0x110cd),
    (0x13430, 0x1343f),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0000, 0xe0fff),
    (0xf0000, 0x10ffff),
];

/// Why `label` is none.
pub(super) fn flaw(label: &str) -> Option<&'static str> {
    let is_unseen = |c: char| UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&u32::from(c)));
    if label.is_empty() {
        Some("is empty")
    } else if label.len() > MAX_LABEL {
        Some("is longer than 64 bytes")
    } else if label.chars().any(|c| c.is_control() || c.is_whitespace()) {
        Some("has a space or a control character")
    } else if label.chars().any(is_unseen) {
        Some("has a character that is not seen, such as one that turns the direction of writing")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_label() {
        for good in ["ci", "日本", "größe", "a-b_c.d/e", "🦉", &"x".repeat(MAX_LABEL)] {
            assert_eq!(flaw(good), None, "{good}");
        }
        for bad in [
            "",
            "a b",
            "a\n",
            "a\u{2028}b",
            "a\u{85}b",
            "\u{202e}abc",
            "a\u{200b}b",
            "a\u{2066}b",
            "a\u{feff}",
            "a\u{ad}b",
            "a\u{e0041}",
            "\u{3164}",
            "\u{2800}",
            "a\u{fe0f}",
            "a\u{e000}",
            &"x".repeat(MAX_LABEL + 1),
        ] {
            assert!(flaw(bad).is_some(), "{bad:?}");
        }
    }
}
