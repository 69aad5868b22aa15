//! What a text says without its percent-encoding (RFC 3986 §2.1), however often it was encoded: paths and parameters are,
//! and whoever logs or follows them may decode them.

use std::borrow::Cow;

/// How often a text is decoded. Links in links are encoded two or three times.
const MAX_ROUNDS: usize = 8;

/// Whether `shows` holds for the text, or for what it says after some rounds of decoding. What is still encoded after
/// [`MAX_ROUNDS`] is not looked at any further, and counts as if it did.
pub(super) fn any(text: &[u8], shows: impl Fn(&[u8]) -> bool) -> bool {
    let mut text = Cow::Borrowed(text);
    for _ in 0..=MAX_ROUNDS {
        if shows(&text) {
            return true;
        }
        match once(&text) {
            Some(decoded) => text = Cow::Owned(decoded),
            None => return false,
        }
    }
    true
}

/// The text with each `%XX` decoded; `None` where there is none.
fn once(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |at: usize| text.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let (mut decoded, mut at, mut is_changed) = (Vec::new(), 0, false);
    // Most have none, and then nothing is allocated.
    let first = text.iter().position(|byte| *byte == b'%')?;
    while let Some(&byte) = text.get(at) {
        let escaped = if at >= first && byte == b'%' { digit(at + 1).zip(digit(at + 2)) } else { None };
        match escaped.and_then(|(high, low)| u8::try_from(high << 4 | low).ok()) {
            Some(byte) => {
                decoded.push(byte);
                (at, is_changed) = (at + 3, true);
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    is_changed.then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_nothing_else() {
        for (text, decoded) in [
            ("", None),
            ("/mcp", None),
            ("100%", None),
            ("%5", None),
            ("%zz%+1", None),
            ("%67tz%5f%5Fa", Some("gtz__a")),
            ("a%2567%", Some("a%67%")),
            ("%%41", Some("%A")),
        ] {
            assert_eq!(once(text.as_bytes()).as_deref(), decoded.map(str::as_bytes), "{text}");
        }
        assert_eq!(once(b"%ff"), Some(vec![0xff]));
    }

    #[test]
    fn every_round_is_looked_at_up_to_a_bound() {
        let shows = |text: &[u8]| text == b"a%";
        for rounds in 0..=MAX_ROUNDS {
            let text = format!("a%{}", "25".repeat(rounds));
            assert!(any(text.as_bytes(), shows), "{text}");
            assert!(!any(text.replace('a', "b").as_bytes(), shows), "{text}");
        }
        assert!(any(format!("b%{}", "25".repeat(MAX_ROUNDS + 1)).as_bytes(), shows));
    }
}
