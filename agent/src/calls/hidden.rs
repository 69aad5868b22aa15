//! What no line may hold: whatever looks like a credential, and the tokens that are known not to.

use std::sync::Arc;

use gantz_shared::token::Token;
use serde_json::Value;

use super::MAX_NAME;

/// Length below which no name is a credential, bytes: nearly every method, path and tool is that short, and looking costs
/// more than the rest of the line. Tokens of the user's own are longer, too.
const SHORT: usize = 12;

/// Tokens of any form that lines are kept free of, plain or percent-encoded.
#[derive(Debug, Clone, Default)]
pub(super) struct Hidden(Arc<[Token]>);

impl Hidden {
    pub(super) fn new(tokens: impl IntoIterator<Item = Token>) -> Self {
        Self(tokens.into_iter().collect())
    }

    /// A name from outside, as a line may hold it: of bounded length, and hidden where it looks like a credential.
    pub(super) fn told(&self, name: &str) -> String {
        if name.len() < SHORT {
            return name.to_owned();
        }
        let redacted = self.redact(&Value::from(name));
        let text = redacted.as_str().unwrap_or_default();
        match text.char_indices().nth(MAX_NAME) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        }
    }

    /// A value from outside, as a line may hold it.
    pub(super) fn redact(&self, value: &Value) -> Value {
        gantz_audit::redact_also(value, &|text| self.0.iter().any(|token| is_in(token.reveal().as_bytes(), text)))
    }
}

fn is_in(token: &[u8], text: &[u8]) -> bool {
    text.windows(token.len()).any(|window| window == token)
}

#[cfg(test)]
mod tests {
    use gantz_audit::REDACTED;
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_cut_and_credentials_hidden() {
        let told = |name: &str| Hidden::default().told(name);
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
        assert_eq!(hidden.told("/x/Zm9v+YmFy/MTIzNDU2Nzg5M"), "/x/Zm9v+YmFy/MTIzNDU2Nzg5M");
        assert!(!format!("{hidden:?}").contains("Zm9v"));
    }
}
