//! What no line may hold: whatever looks like a credential, and the tokens that are known not to.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD as STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use gantz_shared::token::Token;
use serde_json::Value;

use super::MAX_NAME;

/// Length below which no name is a credential, bytes: nearly every method, path and tool is that short, and looking costs
/// more than the rest of the line. Tokens of the user's own are longer, too.
const SHORT: usize = 12;

/// So many bytes of a token in a row, or of a coding of it, are as good as all of it: half of one of gantz's own leaves
/// too little to guess, and no text of anybody's has so many of them by chance.
const PART: usize = 16;

/// Tokens of any form that lines are kept free of: plain, percent-encoded, in Base64 or hexadecimal, and in parts.
#[derive(Clone, Default)]
pub(super) struct Hidden(Arc<HashSet<[u8; PART]>>);

impl Hidden {
    pub(super) fn new(tokens: impl IntoIterator<Item = Token>) -> Self {
        let mut parts = HashSet::new();
        for token in tokens {
            let token = token.reveal().as_bytes();
            let codings =
                in_base64(token).chain([token.to_vec(), hexadecimal(token), hexadecimal(token).to_ascii_uppercase()]);
            for coded in codings {
                parts.extend(coded.windows(PART).filter_map(|part| <[u8; PART]>::try_from(part).ok()));
            }
        }
        Self(Arc::new(parts))
    }

    /// A name from outside, as a line may hold it: of bounded length, and hidden where it looks like a credential.
    pub(super) fn told<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if name.len() < SHORT {
            return name.into();
        }
        let redacted = self.redact(&Value::from(name));
        let text = redacted.as_str().unwrap_or_default();
        match text.char_indices().nth(MAX_NAME) {
            Some((end, _)) => format!("{}…", &text[..end]).into(),
            None => text.to_owned().into(),
        }
    }

    /// A value from outside, as a line may hold it.
    pub(super) fn redact(&self, value: &Value) -> Value {
        gantz_audit::redact_also(value, &|text| {
            !self.0.is_empty() && text.windows(PART).any(|part| self.0.contains(part))
        })
    }
}

/// What stands for `token` in any Base64 that it is a part of: it may begin at three places of a group, and what belongs
/// to a neighbour's character too is left out.
fn in_base64(token: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..3).flat_map(move |before| {
        let padded = [&[0; 2][..before], token].concat();
        [STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|alphabet| {
            let mut coded = alphabet.encode(&padded).into_bytes();
            if !padded.len().is_multiple_of(3) {
                coded.pop();
            }
            coded.split_off(before + usize::from(before > 0))
        })
    })
}

fn hexadecimal(token: &[u8]) -> Vec<u8> {
    token.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// Never what is hidden.
impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hidden").field("parts", &self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use gantz_audit::REDACTED;
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_cut_and_credentials_hidden() {
        let told = |name: &str| Hidden::default().told(name).into_owned();
        assert_eq!(told("/mcp"), "/mcp");
        assert_eq!(told(&"ö".repeat(MAX_NAME)), "ö".repeat(MAX_NAME));
        assert_eq!(told(&"ö".repeat(MAX_NAME + 1)), format!("{}…", "ö".repeat(MAX_NAME)));
        assert_eq!(told(&"x".repeat(100_000)).len(), MAX_NAME + "…".len());
        for name in ["/mcp/gtz_canary", "/mcp/%67tz_canary", "/mcp/gtz%5Fcanary", "/mcp/%2567tz%255fcanary"] {
            assert_eq!(told(name), REDACTED, "{name}");
        }
        assert_eq!(told("/files/a%20b%2Fc"), "/files/a%20b%2Fc");
    }

    #[test]
    fn a_token_of_any_form_is_hidden_wherever_it_stands() {
        let token = "Zm9v+YmFy/MTIzNDU2Nzg5MA==";
        let hidden = Hidden::new([Token::parse(token).unwrap()]);
        for text in [
            token.to_owned(),
            format!("/x/{token}/y"),
            "x".repeat(5000) + token,
            "x".repeat(MAX_NAME - 3) + token,
            "Zm9v%2BYmFy%2FMTIzNDU2Nzg5MA%3D%3D".to_owned(),
            "?a=%5Am9v%252BYmFy/MTIzNDU2Nzg5MA%3d%253D&b".to_owned(),
        ] {
            assert_eq!(hidden.told(&text), REDACTED, "{text:.300}");
            assert_eq!(hidden.redact(&json!({ "a": [&text], &text: 1 })), json!({ "a": [REDACTED], REDACTED: 1 }));
        }
        assert_eq!(hidden.told("/x/Zm9v+YmFy/MTIzND"), REDACTED);
        assert_eq!(hidden.told("/x/Zm9v+YmFy/MTIz/"), "/x/Zm9v+YmFy/MTIz/");
        assert!(!format!("{hidden:?}").contains("Zm9v"));
    }

    #[test]
    fn a_token_is_hidden_in_parts_and_codings() {
        let token = "gtz_u2kq0Zb8yS4mWv1nR7tXc5dLh3pJf9aGeQwKoIiTsBM";
        let hidden = Hidden::new([Token::parse(token).unwrap()]);
        let base64 = |text: &str| STANDARD_NO_PAD.encode(text);
        for text in [
            token[4..].to_owned(),
            token[..22].to_owned(),
            token[22..].to_owned(),
            base64(token),
            base64(&format!("x{token}")),
            base64(&format!("Basic user:{token}@")),
            URL_SAFE_NO_PAD.encode(format!("??{token}>>")),
            String::from_utf8(hexadecimal(token.as_bytes())).unwrap(),
            String::from_utf8(hexadecimal(token.as_bytes())).unwrap().to_uppercase(),
        ] {
            assert_eq!(hidden.told(&text), REDACTED, "{text}");
            assert_eq!(hidden.redact(&json!([text])), json!([REDACTED]));
        }
        for text in ["/files/report-of-2026-11.csv", &base64("nothing that anybody hides"), &token[5..20]] {
            assert_eq!(hidden.told(text), text);
        }
    }
}
