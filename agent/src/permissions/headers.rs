//! `Mcp-Method` and `Mcp-Name` (MCP 2026-07-28, Streamable HTTP, "Request Metadata"): what they say, where they are
//! there, is what the body says. They are looked at under any protocol version, because the local server's is its own.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;

use super::rpc::{Message, Messages};

const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";

/// How a value that cannot stand in a field is marked; case-sensitive.
const ENCODED: (&str, &str) = ("=?base64?", "?=");

/// A field does not say what the body says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mismatch {
    #[error("Header mismatch: {0} is there more than once")]
    Repeated(&'static str),
    #[error("Header mismatch: {0} has characters or an encoding that the specification does not allow")]
    Malformed(&'static str),
    #[error("Header mismatch: {0} cannot describe a batch")]
    Batch(&'static str),
    #[error("Header mismatch: {0} describes a message, and the request has none")]
    Nothing(&'static str),
    #[error("Header mismatch: Mcp-Method is not the body's method")]
    Method,
    #[error("Header mismatch: Mcp-Name is not what the body names")]
    Name,
}

/// Whether the fields agree with the body.
pub(super) fn agree(fields: &HeaderMap, messages: &Messages) -> Result<(), Mismatch> {
    let method = field(fields, METHOD).map_err(|error| error("Mcp-Method"))?;
    let name = field(fields, NAME).map_err(|error| error("Mcp-Name"))?;
    let message = match messages.list.as_slice() {
        [message] if !messages.batch => message,
        _ if method.is_some() => return Err(Mismatch::Batch("Mcp-Method")),
        _ if name.is_some() => return Err(Mismatch::Batch("Mcp-Name")),
        _ => return Ok(()),
    };
    if method.is_some() && method != message.method.as_deref() {
        return Err(Mismatch::Method);
    }
    match name {
        Some(name) => agree_on_name(name, message),
        None => Ok(()),
    }
}

/// Whether the fields are not there, as there is no body for them to agree with: only a POST has a message to mirror. A
/// server or a proxy that goes by them alone would take the request for one.
pub(super) fn describe_nothing(fields: &HeaderMap) -> Result<(), Mismatch> {
    for (name, shown) in [(METHOD, "Mcp-Method"), (NAME, "Mcp-Name")] {
        if !matches!(field(fields, name), Ok(None)) {
            return Err(Mismatch::Nothing(shown));
        }
    }
    Ok(())
}

/// A name of something that the body does not name is one that it does not say.
fn agree_on_name(value: &str, message: &Message) -> Result<(), Mismatch> {
    let named = decode(value).ok_or(Mismatch::Malformed("Mcp-Name"))?;
    match &message.name {
        Some(name) if *name == named => Ok(()),
        _ => Err(Mismatch::Name),
    }
}

/// Whether there is one of them, however it is spelled.
pub(super) fn are_there(fields: &HeaderMap) -> bool {
    [METHOD, NAME].into_iter().any(|name| !matches!(field(fields, name), Ok(None)))
}

/// The one value of a field under any of its spellings: to CGI-style servers `_` and `-` are the same.
fn field<'a>(fields: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, fn(&'static str) -> Mismatch> {
    let is_it = |spelled: &str| {
        spelled.len() == name.len()
            && spelled.bytes().zip(name.bytes()).all(|(a, b)| a == b || (a == b'_' && b == b'-'))
    };
    let mut values = fields.iter().filter(|(spelled, _)| is_it(spelled.as_str())).map(|(_, value)| value);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Mismatch::Repeated);
    }
    value.to_str().map(Some).map_err(|_| Mismatch::Malformed as fn(_) -> _)
}

/// A value as it was before it was made fit for a field.
fn decode(value: &str) -> Option<String> {
    match value.strip_prefix(ENCODED.0).and_then(|rest| rest.strip_suffix(ENCODED.1)) {
        Some(encoded) => String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn check(lines: &[(&'static str, &str)], body: &str) -> Result<(), Mismatch> {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        agree(&fields, &Messages::read(body.as_bytes()).unwrap())
    }

    fn call(name: &str) -> String {
        serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": name } }).to_string()
    }

    #[test]
    fn fields_that_agree_or_are_not_there() {
        for (lines, body) in [
            (&[][..], call("x")),
            (&[(METHOD, "tools/call")], call("x")),
            (&[(NAME, "x")], call("x")),
            (&[(METHOD, "tools/call"), (NAME, "x")], call("x")),
            (&[(NAME, "=?base64?SGVsbG8sIOS4lueVjA==?=")], call("Hello, 世界")),
            (&[(NAME, "=?base64?eA==?=")], call("x")),
            (&[(NAME, "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=")], call("=?base64?literal?=")),
            (&[(NAME, "=?BASE64?eA==?=")], call("=?BASE64?eA==?=")),
            (
                &[(METHOD, "resources/read"), (NAME, "file:///a")],
                r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#.to_owned(),
            ),
            (
                &[(METHOD, "tasks/get"), (NAME, "t1")],
                r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t1"}}"#.to_owned(),
            ),
            (&[], format!("[{}]", call("x"))),
        ] {
            assert_eq!(check(lines, &body), Ok(()), "{lines:?} {body}");
        }
    }

    #[test]
    fn without_a_message_there_is_nothing_to_describe() {
        for (name, expected) in [
            ("mcp-protocol-version", Ok(())),
            ("mcp-session-id", Ok(())),
            (METHOD, Err(Mismatch::Nothing("Mcp-Method"))),
            ("mcp_method", Err(Mismatch::Nothing("Mcp-Method"))),
            (NAME, Err(Mismatch::Nothing("Mcp-Name"))),
            ("mcp_name", Err(Mismatch::Nothing("Mcp-Name"))),
        ] {
            let mut fields = HeaderMap::new();
            fields.append(HeaderName::from_static(name), HeaderValue::from_static(""));
            assert_eq!(describe_nothing(&fields), expected, "{name}");
            fields.append(HeaderName::from_static(name), HeaderValue::from_static("x"));
            assert_eq!(describe_nothing(&fields), expected, "{name} twice");
        }
    }

    #[test]
    fn fields_that_disagree() {
        let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned();
        for (lines, body, expected) in [
            (&[(METHOD, "tools/list")][..], call("x"), Mismatch::Method),
            (&[(METHOD, "Tools/Call")], call("x"), Mismatch::Method),
            (&[(METHOD, "=?base64?dG9vbHMvY2FsbA==?=")], call("x"), Mismatch::Method),
            (&[(METHOD, "")], call("x"), Mismatch::Method),
            (&[(METHOD, "tools/call")], response.clone(), Mismatch::Method),
            (&[(NAME, "rm")], response, Mismatch::Name),
            (&[(NAME, "rm")], r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned(), Mismatch::Name),
            (
                &[(METHOD, "x/extension"), (NAME, "whatever")],
                r#"{"jsonrpc":"2.0","id":1,"method":"x/extension"}"#.to_owned(),
                Mismatch::Name,
            ),
            (&[(NAME, "")], r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(), Mismatch::Name),
            (&[(METHOD, "tools/call"), (METHOD, "tools/call")], call("x"), Mismatch::Repeated("Mcp-Method")),
            (&[(METHOD, "tools/call"), ("mcp_method", "ping")], call("x"), Mismatch::Repeated("Mcp-Method")),
            (&[("mcp_name", "y")], call("x"), Mismatch::Name),
            (&[(NAME, "y")], call("x"), Mismatch::Name),
            (&[(NAME, "X")], call("x"), Mismatch::Name),
            (&[(NAME, "")], call("x"), Mismatch::Name),
            (&[(NAME, "x"), (NAME, "y")], call("x"), Mismatch::Repeated("Mcp-Name")),
            (&[(NAME, "größe")], call("größe"), Mismatch::Malformed("Mcp-Name")),
            (&[(NAME, "=?base64?eA?=")], call("x"), Mismatch::Malformed("Mcp-Name")),
            (&[(NAME, "=?base64?eB==?=")], call("x"), Mismatch::Malformed("Mcp-Name")),
            (&[(NAME, "=?base64?/w==?=")], call("x"), Mismatch::Malformed("Mcp-Name")),
            (&[(NAME, "=?base64?eA==?=")], call("=?base64?eA==?="), Mismatch::Name),
            (&[(METHOD, "tools/call")], format!("[{}]", call("x")), Mismatch::Batch("Mcp-Method")),
            (&[(NAME, "x")], format!("[{}]", call("x")), Mismatch::Batch("Mcp-Name")),
        ] {
            assert_eq!(check(lines, &body), Err(expected), "{lines:?} {body}");
        }
    }
}
