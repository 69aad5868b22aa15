//! Looking for secrets in what was written, in every spelling.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What is looked for. One pass over the text finds all of it: every event of a test process comes through here, and in
/// the tests that move gigabytes there are millions of them.
pub(super) struct Search {
    spellings: Vec<String>,
    /// Whether a spelling begins with these two bytes.
    begins: Vec<bool>,
}

impl Search {
    pub(super) fn of(secrets: &[&str]) -> Self {
        let mut spellings: Vec<String> = secrets.iter().flat_map(|secret| spellings(secret)).collect();
        spellings.sort();
        spellings.dedup();
        let mut begins = vec![false; 1 << 16];
        for spelling in &spellings {
            begins[pair(spelling.as_bytes())] = true;
        }
        Self { spellings, begins }
    }

    /// The spelling of a secret, or of a half of it, that `written` holds.
    pub(super) fn find(&self, written: &[u8]) -> Option<&str> {
        let candidates = (0..written.len().saturating_sub(1)).filter(|at| self.begins[pair(&written[*at..])]);
        candidates.into_iter().find_map(|at| {
            let found = self.spellings.iter().find(|spelling| written[at..].starts_with(spelling.as_bytes()));
            found.map(String::as_str)
        })
    }
}

fn pair(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

fn spellings(secret: &str) -> Vec<String> {
    let (head, tail) = secret.split_at(secret.len() / 2);
    [head, tail].into_iter().flat_map(half).collect()
}

fn half(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let escaped = |keep: &[u8]| -> String {
        let escape = |byte: &u8| match byte {
            byte if byte.is_ascii_alphanumeric() || keep.contains(byte) => char::from(*byte).to_string(),
            byte => format!("%{byte:02X}"),
        };
        bytes.iter().map(escape).collect()
    };
    let mut found = vec![
        text.to_owned(),
        text.replace('/', "\\/"),
        // RFC 3986 §2.3, and what else a path or a query may hold as it is.
        escaped(b"-._~"),
        escaped(b"-._~+"),
        escaped(b"-._~/"),
        escaped(b"-._"),
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        bytes.iter().map(|byte| format!("{byte:02X}")).collect(),
        // `{:?}` of a slice of bytes.
        bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", "),
        bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(","),
    ];
    for skipped in 0..3 {
        // Base64 of whatever it stands in: what its neighbours have no part in, for each place it can begin at.
        let whole = &bytes[skipped..];
        let whole = &whole[..whole.len() / 3 * 3];
        found.push(STANDARD_NO_PAD.encode(whole));
        found.push(URL_SAFE_NO_PAD.encode(whole));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::{ACCESS_KEY, OTHER_TOKEN, TOKEN, find};

    #[test]
    fn a_secret_is_found_however_it_is_spelled() {
        for secret in [TOKEN, OTHER_TOKEN, ACCESS_KEY] {
            let base64 = STANDARD_NO_PAD.encode(format!("user:{secret}"));
            let debug = format!("{:?}", format!("x{secret}").as_bytes());
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            let percent = secret.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
            let json = serde_json::json!({ "field": format!("Bearer {secret}") }).to_string();
            let (head, tail) = secret.split_at(secret.len() / 2);
            for written in [&*base64, &*debug, &*hex, &*percent, &*json, head, tail] {
                assert!(find(format!("before {written} after").as_bytes()).is_some(), "{written}");
                assert!(find(written.as_bytes()).is_some(), "{written}");
            }
        }
    }

    #[test]
    fn nothing_is_found_where_there_is_no_secret() {
        for written in ["", "c", "ca", "Bearer canary+, gzk_canary, and its digest 5f3c", &TOKEN[..TOKEN.len() / 3]] {
            assert_eq!(find(written.as_bytes()), None, "{written}");
        }
    }

    #[test]
    fn a_spelling_is_found_at_every_place() {
        let search = Search::of(&["abcdefghijkl"]);
        let text = b"....abcdef....";
        for from in 0..=4 {
            assert_eq!(search.find(&text[from..]), Some("abcdef"));
        }
        assert_eq!(search.find(&text[5..]), None);
        assert_eq!(search.find(&text[..9]), None);
    }
}
