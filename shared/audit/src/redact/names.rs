//! Names under which secrets are kept.

/// Words that make a name secret wherever they stand in it, whatever stands between their letters and parts:
/// `apiKey`, `X-API-Key` and `MY_API_KEY_2` all have `apikey` in them. `max_tokens` is the price.
pub const SECRET_WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "api key",
    "access key",
    "private key",
    "signing key",
    "encryption key",
    "ssh key",
    "authorization",
    "authentication",
    "bearer",
    "cookie",
    "credential",
    "session",
    "signature",
    "jwt",
    "connection string",
];

/// Names that are secret as a whole, but are parts of harmless words: `pass` of `compass`.
pub const SECRET_NAMES: &[&str] =
    &["pass", "auth", "pin", "otp", "totp", "sid", "cvv", "cvc", "pat", "dsn", "sig", "creds"];

/// A string that is longer is no name, where it may also be something else.
pub(super) const MAX_NAME: usize = 64;

/// Whether what is under `name` is not to be seen.
pub(super) fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    SECRET_NAMES.contains(&&*plain) || SECRET_WORDS.iter().any(|word| plain.contains(&word.replace(' ', "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name() {
        for name in [
            "password",
            "PASSWORD",
            "pass_word",
            "db.password[0]",
            "apiKey",
            "X-Api-Key",
            "api key",
            "AWS_SECRET_ACCESS_KEY",
            "Set-Cookie",
            "mcp-session-id",
            "sshPrivateKey",
            "accessToken",
            "--token",
            "pin",
            "P.I.N",
            "\u{200b}tok\u{200b}en",
        ] {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn names_of_nothing_secret() {
        for name in ["", "path", "compass", "author", "opinion", "primary_key", "query", "pattern", "sidebar", "url"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
