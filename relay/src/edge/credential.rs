//! What a caller presents: `Authorization: Bearer` (RFC 6750 §2.1) or `X-API-Key`.

use std::sync::Arc;

use gantz_shared::limits::MAX_TOKEN_LEN;
use gantz_shared::token::is_b64token;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::answer::Failure;
use crate::tunnels::{Admission, Token, Tunnel};

/// The field for callers that cannot set `Authorization`.
pub(super) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Whether `name` is a field in which a credential is looked for, or one that a CGI-style server cannot tell from it.
pub(super) fn is_field(name: &HeaderName) -> bool {
    let (name, known) = (name.as_str().as_bytes(), b"x-api-key");
    let is_same = |(byte, known): (&u8, &u8)| byte == known || (*byte == b'_' && *known == b'-');
    name == b"authorization" || (name.len() == known.len() && name.iter().zip(known).all(is_same))
}

/// Lets a caller in, with its token, or says why not.
///
/// A token in the query string is not looked for: URLs end up in logs and histories (RFC 6750 §5.3), so such a request
/// has presented nothing.
pub(super) fn admit(tunnel: &Tunnel, fields: &HeaderMap) -> Result<Arc<Token>, Failure> {
    let presented = presented(fields).ok_or(Failure::MissingToken)?;
    // What is malformed is compared all the same, so that it takes no other time than what is wrong.
    let admission = tunnel.admit(presented.unwrap_or_default());
    match (presented, admission) {
        (Ok(_), Admission::Granted(token)) => Ok(token),
        (Ok(_), Admission::Expired) => Err(Failure::ExpiredToken),
        _ => Err(Failure::InvalidToken),
    }
}

/// `None`: nothing was presented; `Err`: something that is no token. `Authorization` decides where it is there.
fn presented(fields: &HeaderMap) -> Option<Result<&[u8], Malformed>> {
    let single = |name: &HeaderName| {
        let mut values = fields.get_all(name).into_iter();
        let first = values.next()?;
        Some(if values.next().is_some() { Err(Malformed) } else { Ok(first) })
    };
    let credential = match single(&header::AUTHORIZATION) {
        Some(value) => value.and_then(bearer),
        None => single(&X_API_KEY)?.map(HeaderValue::as_bytes),
    };
    Some(
        credential.and_then(|token| {
            if token.len() <= MAX_TOKEN_LEN && is_b64token(token) { Ok(token) } else { Err(Malformed) }
        }),
    )
}

/// Something was presented that cannot be a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Malformed;

/// The token of a `Bearer` credential; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(value: &HeaderValue) -> Result<&[u8], Malformed> {
    let value = value.as_bytes();
    let space = value.iter().position(|byte| *byte == b' ').ok_or(Malformed)?;
    let (scheme, token) = value.split_at(space);
    if scheme.eq_ignore_ascii_case(b"bearer") { Ok(token.trim_ascii()) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(fields: &'a mut HeaderMap, lines: &[(&'static str, &[u8])]) -> Option<Result<&'a [u8], Malformed>> {
        for (name, value) in lines {
            fields.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        presented(fields)
    }

    #[test]
    fn fields_that_end_here_in_every_spelling() {
        for (name, is_one) in [
            ("authorization", true),
            ("x-api-key", true),
            ("x_api_key", true),
            ("x_api-key", true),
            ("x-api-keys", false),
            ("x.api.key", false),
        ] {
            assert_eq!(is_field(&HeaderName::from_static(name)), is_one, "{name}");
        }
    }

    /// Lines of a request, and what they present.
    type Row<'a> = (&'a [(&'static str, &'a [u8])], Option<Result<&'a [u8], Malformed>>);

    #[test]
    fn table() {
        let long = [b'a'; MAX_TOKEN_LEN + 1];
        let rows: &[Row<'_>] = &[
            (&[], None),
            (&[("authorization", b"Bearer abc")], Some(Ok(b"abc"))),
            (&[("authorization", b"bEARER   abc")], Some(Ok(b"abc"))),
            (&[("authorization", b"Bearer")], Some(Err(Malformed))),
            (&[("authorization", b"Bearer ")], Some(Err(Malformed))),
            (&[("authorization", b"Basic abc")], Some(Err(Malformed))),
            (&[("authorization", b"Bearer a b")], Some(Err(Malformed))),
            (&[("authorization", b"Bearer \xff")], Some(Err(Malformed))),
            (&[("authorization", b"")], Some(Err(Malformed))),
            (&[("authorization", b"Bearer a"), ("authorization", b"Bearer b")], Some(Err(Malformed))),
            (&[("x-api-key", b"abc")], Some(Ok(b"abc"))),
            (&[("x-api-key", b"")], Some(Err(Malformed))),
            (&[("x-api-key", &long)], Some(Err(Malformed))),
            (&[("authorization", b"Bearer abc"), ("x-api-key", b"def")], Some(Ok(b"abc"))),
            (&[("authorization", b"Basic abc"), ("x-api-key", b"def")], Some(Err(Malformed))),
        ];
        for (lines, expected) in rows {
            assert_eq!(&read(&mut HeaderMap::new(), lines), expected, "{lines:?}");
        }
    }
}
