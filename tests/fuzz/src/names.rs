//! Text that names something: the host of an authority, a tunnel's name, a token and a digest. All four read the whole
//! input.

use gantz_shared::authority;
use gantz_shared::limits::{MAX_NAME_LEN, MAX_TOKEN_LEN, MIN_TOKEN_LEN};
use gantz_shared::name::{InvalidName, Name};
use gantz_shared::token::{Digest, InvalidToken, Token, is_b64token};
use http::HeaderValue;

/// Checks the parsers on one text, and the one for bytes on any bytes.
pub fn check(data: &[u8]) {
    bearer(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    host(text);
    name(text);
    token(text);
    digest(text);
}

/// There is one spelling of a host, and it is safe to print and to compare.
fn host(text: &str) {
    let Ok((host, port)) = authority::parse(text) else { return };
    let canonical = host.as_str();
    assert!(!canonical.is_empty() && !canonical.ends_with('.'));
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.:[]".contains(&byte);
    assert!(canonical.bytes().all(allowed), "{canonical:?}");
    assert_eq!(authority::parse(canonical), Ok((host.clone(), None)), "not a fixed point");
    if let Some(port) = port {
        assert_eq!(authority::parse(&format!("{canonical}:{port}")), Ok((host.clone(), Some(port))));
    }
    assert_eq!(authority::parse(&text.to_ascii_uppercase()), Ok((host.clone(), port)));
    assert!(host.is_within(canonical));
    if let Some((label, domain)) = canonical.split_once('.') {
        assert_eq!(host.label_under(domain), Some(label));
        assert!(host.is_within(domain));
        assert_eq!(host.label_under(canonical), None);
    }
}

/// A name is one label of a host, in its one spelling.
fn name(text: &str) {
    let name = match Name::parse(text) {
        Ok(name) => name,
        Err(InvalidName::TooLong(len)) => return assert!(len > MAX_NAME_LEN),
        Err(error) => return assert!(error.to_string().len() <= 128, "{error}"),
    };
    assert!(text.eq_ignore_ascii_case(name.as_str()));
    assert_eq!(Name::parse(name.as_str()).as_ref(), Ok(&name));
    let authority = format!("{name}.relay.test");
    let (host, _) = authority::parse(&authority).expect("a name is a label");
    assert_eq!(host.label_under("relay.test"), Some(name.as_str()));
}

/// A token can be carried by a field, and is in no error and no `Debug`.
fn token(text: &str) {
    match Token::parse(text) {
        Ok(token) => {
            assert_eq!(token.reveal(), text);
            assert!((MIN_TOKEN_LEN..=MAX_TOKEN_LEN).contains(&text.len()));
            assert!(HeaderValue::from_str(&format!("Bearer {text}")).is_ok());
            assert_eq!(format!("{token:?}"), "Token(…)");
            assert!(bool::from(token.digest().ct_eq(&Digest::of(text.as_bytes()))));
        }
        // No error has room for the token, only for its length.
        Err(InvalidToken::TooShort(len)) => assert!(len == text.len() && len < MIN_TOKEN_LEN),
        Err(InvalidToken::TooLong(len)) => assert!(len == text.len() && len > MAX_TOKEN_LEN),
        Err(InvalidToken::Character) => assert!(!is_b64token(text.as_bytes())),
        Err(other) => panic!("{other}"),
    }
}

/// A digest has one spelling.
fn digest(text: &str) {
    if let Ok(digest) = Digest::try_from(text.to_owned()) {
        assert_eq!(String::from(digest), text);
        assert_eq!(format!("{digest:?}"), "Digest(…)");
    }
}

/// RFC 6750 §2.1: `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn bearer(bytes: &[u8]) {
    let body = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte)).count();
    let expected = body > 0 && bytes[body..].iter().all(|byte| *byte == b'=');
    assert_eq!(is_b64token(bytes), expected);
}
