//! What a caller gets instead of the local server's answer: `{error, message, …}` and a `Gantz-Error` field, as from the
//! edge. Only a header mismatch is a JSON-RPC error: clients of MCP 2026-07-28 take any other 400 for a server of an
//! older make.

use std::fmt;

use bytes::Bytes;
use gantz_shared::answers;
use gantz_shared::answers::Row;
use gantz_shared::limits::RETRY_AFTER_SECS;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::headers::Mismatch;
use super::{Full, Id, MAX_REQUEST, Messages, Permissions, Unreadable, Withheld};

const GANTZ_ERROR: HeaderName = HeaderName::from_static("gantz-error");

/// The JSON-RPC code of a header mismatch (MCP 2026-07-28, "Server Validation").
const HEADER_MISMATCH: i32 = -32020;

/// Tools that an answer names, and how much of each name: a batch can ask for many, and names can be long.
const NAMED: usize = 8;
const NAME_LEN: usize = 128;

answers! {
    /// What the agent says itself.
    enum Code {
        /// The token died a moment ago.
        InvalidToken = UNAUTHORIZED "invalid_token",
        /// The token may not do this.
        InsufficientScope = FORBIDDEN "insufficient_scope",
        /// Fields and body disagree.
        HeaderMismatch = BAD_REQUEST "header_mismatch",
        /// The body cannot be read without doubt.
        UnreadableRequest = BAD_REQUEST "unreadable_request",
        /// Nor can one of its media type or encoding.
        UnreadableType = UNSUPPORTED_MEDIA_TYPE "unreadable_request",
        /// The body is longer than what is looked through.
        BodyTooLarge = PAYLOAD_TOO_LARGE "body_too_large",
        /// The answer cannot be looked through.
        AnswerWithheld = BAD_GATEWAY "answer_withheld",
        /// There is no room for what has to be looked through.
        AgentBusy = SERVICE_UNAVAILABLE "agent_busy",
    }
}

/// An answer that the agent makes itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    code: Code,
    body: Bytes,
    challenge: Option<HeaderValue>,
    /// The same may pass in a moment, and has had no effect yet.
    retry: bool,
}

impl Refusal {
    fn new(code: Code, message: &str) -> Self {
        Self::with(code, message, &[])
    }

    fn with(code: Code, message: &str, more: &[(&str, Value)]) -> Self {
        let mut body = Map::new();
        body.insert("error".to_owned(), code.row().1.into());
        body.insert("message".to_owned(), message.into());
        body.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Self { code, body: Bytes::from(Value::Object(body).to_string()), challenge: None, retry: false }
    }

    /// A token that was revoked a moment ago. In the words of the edge, which says so from the next moment on.
    pub(crate) fn revoked() -> Self {
        let mut refusal = Self::new(Code::InvalidToken, "Invalid token");
        refusal.challenge = Some(HeaderValue::from_static(concat!(
            r#"Bearer realm="gantz", error="invalid_token", "#,
            r#"error_description="The token is not valid for this tunnel""#
        )));
        refusal
    }

    /// Tools that the globs do not let through.
    pub(super) fn not_allowed(tools: &[&str], permissions: &Permissions) -> Self {
        let message = format!("This token may not call {}; it may call {permissions}.", listed(tools));
        Self::forbidden(&message, "The token may not call this tool", tools)
    }

    /// Tools that do not only read.
    pub(super) fn not_read_only(tools: &[&str]) -> Self {
        let message = format!("This token only calls read-only tools; {} is not marked as one.", listed(tools));
        Self::forbidden(&message, "The token only calls read-only tools", tools)
    }

    /// Tools of which nobody knows yet whether they only read.
    pub(super) fn not_known(tools: &[&str]) -> Self {
        let message = format!(
            "This token only calls read-only tools, and the server has not listed {} to gantz, which asks it again now: \
             call what tools/list shows, in a few seconds if the tool is new.",
            listed(tools)
        );
        Self::forbidden(&message, "The token only calls read-only tools; this one is not known", tools)
    }

    /// A protocol whose bytes cannot be looked through.
    pub(super) fn upgrade() -> Self {
        let message = "This token has permissions, and what it does over an upgraded connection cannot be checked.";
        Self::forbidden(message, "The token may not upgrade the connection", &[])
    }

    fn forbidden(message: &str, description: &str, tools: &[&str]) -> Self {
        let named: Vec<String> = tools.iter().take(NAMED).map(|tool| shortened(tool)).collect();
        let more: &[(&str, Value)] = if named.is_empty() { &[] } else { &[("tools", json!(named))] };
        Self { challenge: Some(challenge(description, tools)), ..Self::with(Code::InsufficientScope, message, more) }
    }

    /// Of a request without a message.
    pub(super) fn mismatch(mismatch: Mismatch) -> Self {
        Self::mismatch_of(mismatch, None)
    }

    pub(super) fn mismatch_in(mismatch: Mismatch, messages: &Messages) -> Self {
        let id = match messages.list.as_slice() {
            [message] if !messages.batch => message.id.as_ref(),
            _ => None,
        };
        Self::mismatch_of(mismatch, id)
    }

    fn mismatch_of(mismatch: Mismatch, id: Option<&Id>) -> Self {
        let error = json!({ "code": HEADER_MISMATCH, "message": mismatch.to_string() });
        let body = match id {
            Some(Id::Number(id)) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
            Some(Id::Text(id)) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
            // An error response without an id is the specification's own form for this.
            None => json!({ "jsonrpc": "2.0", "error": error }),
        };
        let body = Bytes::from(body.to_string());
        Self { code: Code::HeaderMismatch, body, challenge: None, retry: false }
    }

    pub(super) fn unreadable(why: Unreadable) -> Self {
        let message = format!("This token has permissions, and the request cannot be checked: its body {why}.");
        Self::new(Code::UnreadableRequest, &message)
    }

    pub(super) fn media_type(why: &str) -> Self {
        let message = format!("This token has permissions, and the request cannot be checked: {why}.");
        Self::new(Code::UnreadableType, &message)
    }

    pub(super) fn too_large() -> Self {
        let message = format!("This token has permissions; bodies over {MAX_REQUEST} bytes cannot be checked for it.");
        Self::new(Code::BodyTooLarge, &message)
    }

    /// There is no room for the request; the local server has not heard of it.
    fn busy() -> Self {
        let message =
            "This token has permissions, and too much is being checked at the same time; try again in a moment.";
        Self { retry: true, ..Self::new(Code::AgentBusy, message) }
    }

    /// Every answer of this kind that there is: the agent's rows of the public table.
    pub fn rows() -> impl Iterator<Item = Row> {
        Code::ALL.iter().map(|code| code.row())
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.code.row().0
    }

    /// What programs match on: what `Gantz-Error` says.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code.row().1
    }

    /// The whole answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let (status, code) = self.code.row();
        let mut fields = HeaderMap::new();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(GANTZ_ERROR, HeaderValue::from_static(code));
        if let Some(challenge) = self.challenge {
            fields.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.retry {
            fields.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS));
        }
        let mut response = Response::new(self.body);
        *response.status_mut() = status;
        *response.headers_mut() = fields;
        response
    }
}

impl From<Withheld> for Refusal {
    fn from(why: Withheld) -> Self {
        let message =
            format!("This token has permissions, and the local server's answer cannot be checked for it: {why}.");
        let code = match why {
            // Without a `Retry-After`: the local server has done what was asked, and may not have to do it again.
            Withheld::Full(Full::Busy(_)) => Code::AgentBusy,
            _ => Code::AnswerWithheld,
        };
        Self::new(code, &message)
    }
}

impl From<Full> for Refusal {
    fn from(why: Full) -> Self {
        match why {
            Full::TooLarge(_) => Self::too_large(),
            Full::Busy(_) => Self::busy(),
        }
    }
}

impl From<Unreadable> for Refusal {
    fn from(why: Unreadable) -> Self {
        Self::unreadable(why)
    }
}

/// Never the body: it repeats what the caller sent.
impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("status", &self.status()).field("code", &self.code()).finish_non_exhaustive()
    }
}

/// RFC 6750 §3. A scope is one tool; names with characters that a scope may not have are left out.
fn challenge(description: &str, tools: &[&str]) -> HeaderValue {
    let is_scope = |tool: &&&str| {
        (1..=NAME_LEN).contains(&tool.len())
            && tool.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    };
    let scopes: Vec<String> = tools.iter().filter(is_scope).take(NAMED).map(|tool| format!("tool:{tool}")).collect();
    let scope = if scopes.is_empty() { String::new() } else { format!(r#", scope="{}""#, scopes.join(" ")) };
    let text = format!(r#"Bearer realm="gantz", error="insufficient_scope"{scope}, error_description="{description}""#);
    HeaderValue::try_from(text)
        .unwrap_or(HeaderValue::from_static(r#"Bearer realm="gantz", error="insufficient_scope""#))
}

fn listed(tools: &[&str]) -> String {
    let named: Vec<String> = tools.iter().take(NAMED).map(|tool| format!("`{}`", shortened(tool))).collect();
    let more = tools.len().saturating_sub(NAMED);
    if more == 0 { named.join(", ") } else { format!("{} and {more} more", named.join(", ")) }
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_LEN) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Busy;
    use super::*;

    fn parts(refusal: Refusal) -> (StatusCode, HeaderMap, Value) {
        let (parts, body) = refusal.into_response().into_parts();
        assert_eq!(parts.headers[header::CONTENT_LENGTH], body.len().to_string().as_str());
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn a_forbidden_tool_is_named_with_the_challenge() {
        let permissions = Permissions { tools: Some("read_*".parse().unwrap()), read_only: false };
        let (status, fields, body) = parts(Refusal::not_allowed(&["write_file", "rm"], &permissions));
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert_eq!(
            fields[header::WWW_AUTHENTICATE],
            "Bearer realm=\"gantz\", error=\"insufficient_scope\", scope=\"tool:write_file tool:rm\", \
             error_description=\"The token may not call this tool\""
        );
        assert_eq!(fields[GANTZ_ERROR], "insufficient_scope");
        assert_eq!(
            body,
            json!({
                "error": "insufficient_scope",
                "message": "This token may not call `write_file`, `rm`; it may call read_*.",
                "tools": ["write_file", "rm"],
            })
        );
    }

    #[test]
    fn no_name_breaks_the_challenge() {
        for name in ["", "a\"b", "a b", "a\\b", "a\r\nb", "größe", &"x".repeat(NAME_LEN + 1)] {
            let (_, fields, body) = parts(Refusal::not_known(&[name]));
            assert_eq!(
                fields[header::WWW_AUTHENTICATE],
                "Bearer realm=\"gantz\", error=\"insufficient_scope\", \
                 error_description=\"The token only calls read-only tools; this one is not known\""
            );
            assert!(body["message"].as_str().unwrap().contains("in a few seconds"));
        }
    }

    #[test]
    fn many_and_long_names_are_shortened() {
        let long = "ä".repeat(10_000);
        let names = vec![long.as_str(); 1000];
        let (_, _, body) = parts(Refusal::not_read_only(&names));
        assert!(body.to_string().len() < 10_000);
        assert!(body["message"].as_str().unwrap().contains("and 992 more"));
    }

    #[test]
    fn a_header_mismatch_is_a_json_rpc_error() {
        for (id, expected) in [("7", json!(7)), ("\"7\"", json!("7")), ("null", Value::Null)] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
            let refusal = Refusal::mismatch_in(Mismatch::Method, &Messages::read(body.as_bytes()).unwrap());
            let (status, fields, body) = parts(refusal);
            assert_eq!((status, &fields[GANTZ_ERROR]), (StatusCode::BAD_REQUEST, &"header_mismatch".parse().unwrap()));
            assert_eq!(body["id"], expected);
            assert_eq!((&body["jsonrpc"], &body["error"]["code"]), (&json!("2.0"), &json!(-32020)));
        }
    }

    #[test]
    fn only_a_request_that_had_no_effect_is_to_be_sent_again() {
        for (refusal, retry) in
            [(Refusal::from(Full::Busy(Busy)), true), (Refusal::from(Withheld::Full(Full::Busy(Busy))), false)]
        {
            let (status, fields, body) = parts(refusal);
            assert_eq!((status, &body["error"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("agent_busy")));
            assert_eq!(fields.contains_key(header::RETRY_AFTER), retry, "{body}");
        }
    }

    #[test]
    fn debug_shows_no_body() {
        assert!(!format!("{:?}", Refusal::not_known(&["secret"])).contains("secret"));
    }
}
