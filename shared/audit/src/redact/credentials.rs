//! Strings in which something looks like a credential, by its form or by what stands before it.

use std::sync::LazyLock;

use regex::bytes::RegexSet;

use super::decoded;
use super::names::{SECRET_NAMES, SECRET_WORDS};

/// How far beyond what is kept a string is looked at: a credential is recognised by its first characters, of which the
/// last kept ones may be some.
const BEYOND: usize = 1024;

/// Forms that issuers gave their credentials so that they are recognised.
const FORMS: &[&str] = &[
    // gantz: tokens and access keys.
    "gtz_|gzk_",
    // GitHub, GitLab, npm, PyPI, Hugging Face, DigitalOcean.
    "gh[pousr]_|github_pat_|glpat-|npm_[0-9A-Za-z]{8}|pypi-[0-9A-Za-z]{8}|hf_[0-9A-Za-z]{8}|do[opr]_v1_",
    // OpenAI, Anthropic, and others after their example; Stripe; SendGrid.
    r"(?:^|[^0-9A-Za-z])(?:sk-[0-9A-Za-z_-]{6}|[srp]k_(?:live|test)_|whsec_|SG\.[0-9A-Za-z_-]{8})",
    // Slack.
    "xox[a-z]-|xapp-",
    // Amazon, Google.
    "(?:AKIA|ASIA)[0-9A-Z]{8}|AIza[0-9A-Za-z_-]{8}|ya29[.]|GOCSPX-",
    // JWTs (RFC 7519): `{"` in base64url, and a dot.
    r"ey[IJ][0-9A-Za-z_-]{6,}[.]",
    // Private keys (RFC 7468, and those of PGP and PuTTY).
    "-----BEGIN [0-9A-Z ]*PRIVATE KEY|PuTTY-User-Key-File",
    // `Authorization` (RFC 9110 §11.4), wherever it was pasted to.
    r"(?i-u)\bbearer[ \t+]+[0-9a-z._~+/=%-]|\b(?:basic|digest|negotiate)[ \t+]+[0-9a-z._~+/=-]{12}",
    // A password in a URL (RFC 3986 §3.2.1).
    r"(?i-u)[a-z][0-9a-z+.-]*://[^/?#\s@]*:[^/?#\s]*@",
];

/// Looks at the first `kept` bytes of `text`, and at what begins in them, however it is percent-encoded.
pub(super) fn shows_in(text: &str, kept: usize) -> bool {
    let looked_at = text.as_bytes();
    let looked_at = &looked_at[..looked_at.len().min(kept.saturating_add(BEYOND))];
    // Should the patterns not be right, then nothing is known to be harmless.
    PATTERNS.as_ref().is_none_or(|patterns| decoded::any(looked_at, |text| patterns.is_match(text)))
}

static PATTERNS: LazyLock<Option<RegexSet>> = LazyLock::new(|| RegexSet::new(patterns()).ok());

fn patterns() -> Vec<String> {
    let forms = FORMS.iter().map(|form| format!("(?-u){form}"));
    forms.chain(assignments()).collect()
}

/// A secret name and its value: `password=…`, `"api_key": …` (also in quotes that are escaped, as JSON in JSON has them),
/// `?token=…`, `Cookie: …`, `--password …`.
fn assignments() -> [String; 3] {
    let words: Vec<_> = SECRET_WORDS.iter().map(|word| word.replace(' ', "[^0-9a-z]?")).collect();
    let words = words.join("|");
    let names = SECRET_NAMES.join("|");
    [
        format!(r#"(?i-u)(?:{words})[0-9a-z_.\[\]-]*[\s"'`\\]*(?:[=:]|%3d|%3a)[\s"'`\\]*[^\s"'`\\]"#),
        format!(r#"(?i-u)(?:^|[^0-9a-z])(?:{names})[\s"'`\\]*(?:[=:]|%3d|%3a)[\s"'`\\]*[^\s"'`\\]"#),
        format!(r"(?i-u)(?:^|[^0-9a-z])--?(?:[0-9a-z_-]*(?:{words})[0-9a-z_-]*|{names})\s+\S"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shows(text: &str) -> bool {
        shows_in(text, text.len())
    }

    #[test]
    fn the_patterns_are_right() {
        RegexSet::new(patterns()).unwrap();
    }

    #[test]
    fn credentials_are_seen_wherever_they_stand() {
        for text in [
            "gtz_abc",
            "see gzk_abc",
            "MY_gtz_abc",
            "sk-abcdef123456",
            "key sk-ant-api03-xyz",
            "sk_live_4242",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "github_pat_11ABC",
            "glpat-abc",
            "xoxb-123",
            "AKIAIOSFODNN7EXAMPLE",
            "AIzaSyA-abcdef123",
            "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
            "-----BEGIN PRIVATE KEY-----\nMII",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "Bearer abc",
            "curl -H 'authorization: bearer abc'",
            "Basic dXNlcjpwYXNzd29yZA==",
            "postgres://me:hunter2@db/main",
            "https://:hunter2@host",
            "/%67tz_abc",
            "/mcp/gtz%5Fabc",
            "/mcp/%2567tz%255fabc?x=1",
            "%42earer%20abc",
        ] {
            assert!(shows(text), "{text}");
        }
    }

    #[test]
    fn a_secret_name_with_its_value_is_seen() {
        for text in [
            "password=hunter2",
            "PGPASSWORD=hunter2 psql",
            r#"{"api_key": "abc"}"#,
            r#"{\"api-key\":\"abc\"}"#,
            "https://host/?a=b&access_token=abc",
            "a%3Db%26token%3Dabc",
            "Cookie: a=b",
            "X-Session-Id:abc",
            "tool --password hunter2",
            "-pass hunter2",
            "sh -c \"--pin 1234\"",
            "pin: 1234",
            "private_key_pem = abc",
        ] {
            assert!(shows(text), "{text}");
        }
    }

    #[test]
    fn other_text_is_let_be() {
        for text in [
            "",
            "a task-based approach",
            "sk-learn",
            "https://host:8080/path?a=b#c",
            "me@example.com",
            "http://[::1]:80/@me",
            "the password of the day",
            "compass: north",
            "a bearer, of news",
            "Basic usage",
            "-----BEGIN CERTIFICATE-----",
            "key: value",
            "hello, wörld ✓",
            "/a%20b/c%2Fd?e=%C3%A9",
            "100%, %zz",
        ] {
            assert!(!shows(text), "{text}");
        }
    }

    #[test]
    fn what_only_begins_in_the_kept_part_is_seen() {
        let text = format!("{} gtz_{}", "x".repeat(1000), "a".repeat(43));
        for kept in 1002..text.len() {
            assert!(shows_in(&text, kept), "{kept}");
        }
    }
}
