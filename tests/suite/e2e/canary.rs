//! Looking for a secret in what was written, in every spelling in which a program would write it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The known token of every tunnel in this suite. Its `+`, `/` and `=` are spelled differently in a URL, and more than
/// a half of it in a log would be as bad as the whole.
pub(crate) const TOKEN: &str = "canary+Zk3/x9Qv~7Lw2.Tn_b5-Rf8Jd4Hs6Gp0Yc1Mu=";

/// The spelling in which `written` holds the secret, or a half of it.
pub(crate) fn leak(written: &[u8], secret: &str) -> Option<String> {
    spellings(secret).into_iter().find(|spelling| contains(written, spelling.as_bytes()))
}

fn contains(written: &[u8], needle: &[u8]) -> bool {
    let (first, rest) = needle.split_first().expect("a needle is not empty");
    let mut from = 0;
    while let Some(at) = written[from..].iter().position(|byte| byte == first) {
        from += at + 1;
        if written[from..].starts_with(rest) {
            return true;
        }
    }
    false
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

#[test]
fn a_secret_is_found_however_it_is_spelled() {
    let base64 = STANDARD_NO_PAD.encode(format!("user:{TOKEN}"));
    let debug = format!("{:?}", format!("x{TOKEN}").as_bytes());
    let hex: String = TOKEN.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent = TOKEN.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let json = serde_json::json!({ "field": format!("Bearer {TOKEN}") }).to_string();
    let half = TOKEN[..TOKEN.len() / 2].to_owned();
    for written in [base64, debug, hex, percent, json, half] {
        assert!(leak(format!("before {written} after").as_bytes(), TOKEN).is_some(), "{written}");
    }
}

#[test]
fn nothing_is_found_where_there_is_no_secret() {
    assert_eq!(leak(b"Bearer canary, and its digest 5f3c", TOKEN), None);
}
