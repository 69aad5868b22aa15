//! What a label may be: something that is in a list and in a log what it seems to be.

use gantz_shared::limits::MAX_LABEL;

/// Characters that are not seen and change how others are: the format characters of Unicode 16 (general category Cf), and
/// the grapheme joiner. With them two labels look alike, or a line reads backwards.
const UNSEEN: [(u32, u32); 22] = [
    (0x00ad, 0x00ad),
    (0x034f, 0x034f),
    (0x0600, 0x0605),
    (0x061c, 0x061c),
    (0x06dd, 0x06dd),
    (0x070f, 0x070f),
    (0x0890, 0x0891),
    (0x08e2, 0x08e2),
    (0x180e, 0x180e),
    (0x200b, 0x200f),
    (0x202a, 0x202e),
    (0x2060, 0x2064),
    (0x2066, 0x206f),
    (0xfeff, 0xfeff),
    (0xfff9, 0xfffb),
    (0x110bd, 0x110bd),
    (0x110cd, 0x110cd),
    (0x13430, 0x1343f),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0001, 0xe0001),
    (0xe0020, 0xe007f),
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
            &"x".repeat(MAX_LABEL + 1),
        ] {
            assert!(flaw(bad).is_some(), "{bad:?}");
        }
    }
}
