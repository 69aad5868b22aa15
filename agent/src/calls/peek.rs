//! What a request's body asks for, as far as that can be told from its beginning and without doubt.

use serde_json::Value;

use super::hidden::Hidden;
use crate::permissions::{self, Messages, Unreadable};

/// Longest request body of which it is logged what it asks for, bytes.
pub const MAX_PEEK: usize = 64 << 10;

/// A body, as long as it is short enough.
#[derive(Debug)]
pub(super) struct Peek {
    bytes: Vec<u8>,
    /// Whether there is a body at all.
    is_expected: bool,
    is_too_large: bool,
}

/// What a body asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Asked {
    /// There is none.
    Nothing,
    /// It could not be told, because of this.
    Unread(&'static str),
    /// At least one message.
    Messages {
        list: Vec<Message>,
        /// Whether they stood in an array.
        batch: bool,
    },
}

/// A JSON-RPC message.
#[derive(Debug, PartialEq)]
pub(super) struct Message {
    /// `request`, `notification` or `response`.
    pub(super) kind: &'static str,
    pub(super) method: Option<String>,
    pub(super) tool: Option<String>,
    /// What the tool is called with, redacted.
    pub(super) arguments: Option<Value>,
}

impl Peek {
    /// For a body of this length, where it was declared.
    pub(super) fn new(has_body: bool, declared: Option<u64>) -> Self {
        Self {
            bytes: Vec::new(),
            is_expected: has_body && declared != Some(0),
            is_too_large: declared.is_some_and(|declared| declared > MAX_PEEK as u64),
        }
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        if self.is_too_large {
            return;
        }
        if self.bytes.len() + piece.len() > MAX_PEEK {
            *self = Self { bytes: Vec::new(), is_too_large: true, ..*self };
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }

    pub(super) fn read(&self, with_arguments: bool, hidden: &Hidden) -> Asked {
        if !self.is_expected {
            return Asked::Nothing;
        }
        if self.is_too_large {
            return Asked::Unread("too_large");
        }
        if self.bytes.is_empty() {
            return Asked::Unread("nothing_came");
        }
        match Messages::read(&self.bytes) {
            Ok(messages) => {
                let whole: Option<Value> = if with_arguments { serde_json::from_slice(&self.bytes).ok() } else { None };
                let message = |(at, message)| Message::of(message, whole.as_ref().map(|whole| nth(whole, at)), hidden);
                Asked::Messages { list: messages.list.iter().enumerate().map(message).collect(), batch: messages.batch }
            }
            Err(why) => Asked::Unread(code(why)),
        }
    }
}

/// The message with this number, in a body that is one, or is a batch.
fn nth(whole: &Value, at: usize) -> &Value {
    whole.get(at).unwrap_or(whole)
}

impl Message {
    fn of(message: &permissions::Message, whole: Option<&Value>, hidden: &Hidden) -> Self {
        let tool = message.tool();
        let arguments = || whole?.get("params")?.get("arguments").map(|arguments| hidden.redact(arguments));
        Self {
            kind: match (&message.method, &message.id) {
                (Some(_), Some(_)) => "request",
                (Some(_), None) => "notification",
                (None, _) => "response",
            },
            method: message.method.as_deref().map(|method| hidden.told(method).into_owned()),
            arguments: tool.and_then(|_| arguments()),
            tool: tool.map(|tool| hidden.told(tool).into_owned()),
        }
    }
}

fn code(why: Unreadable) -> &'static str {
    match why {
        Unreadable::Bom | Unreadable::NotUtf8 => "not_utf8",
        Unreadable::NotJson => "not_json",
        Unreadable::NotRpc => "not_rpc",
        Unreadable::Ambiguous => "ambiguous",
        Unreadable::LongBatch => "long_batch",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(body: &str, with_arguments: bool) -> Value {
        let mut peek = Peek::new(true, None);
        // However it is cut up.
        body.as_bytes().chunks(7).for_each(|piece| peek.push(piece));
        match peek.read(with_arguments, &Hidden::default()) {
            Asked::Nothing => Value::Null,
            Asked::Unread(why) => why.into(),
            Asked::Messages { list, batch } => {
                let list = list.into_iter().map(|Message { kind, method, tool, arguments }| {
                    json!({ "message": kind, "method": method, "tool": tool, "arguments": arguments })
                });
                json!({ "batch": batch, "list": list.collect::<Vec<_>>() })
            }
        }
    }

    #[test]
    fn requests_notifications_and_responses_are_told_apart() {
        for (body, kind, method, tool) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, "request", Some("tools/list"), None),
            (
                r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"arguments":{"a":1},"name":"add"}}"#,
                "request",
                Some("tools/call"),
                Some("add"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p","arguments":{}}}"#,
                "request",
                Some("prompts/get"),
                None,
            ),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
                "notification",
                Some("notifications/initialized"),
                None,
            ),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "response", None, None),
        ] {
            let message = json!({ "message": kind, "method": method, "tool": tool, "arguments": null });
            assert_eq!(asked(body, false), json!({ "batch": false, "list": [message] }), "{body}");
        }
    }

    #[test]
    fn arguments_are_those_of_their_own_message_and_hold_no_secret() {
        let body = json!([
            { "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "a", "arguments": { "of": 1 } } },
            { "jsonrpc": "2.0", "id": 2, "method": "ping", "params": { "arguments": { "of": 2 } } },
            { "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": { "name": "b", "arguments": {
                "password": "hunter2", "text": "gtz_canary", "deep": [{ "api_key": 7 }],
            } } },
            { "jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": { "name": "c" } },
        ]);
        let told = asked(&body.to_string(), true);
        let arguments: Vec<_> =
            told["list"].as_array().unwrap().iter().map(|message| message["arguments"].clone()).collect();
        let redacted = gantz_audit::REDACTED;
        let last = json!({ "password": redacted, "text": redacted, "deep": [{ "api_key": redacted }] });
        assert_eq!(arguments, [json!({ "of": 1 }), Value::Null, last, Value::Null]);
        assert!(!asked(&body.to_string(), false).to_string().contains("hunter2"));
    }

    #[test]
    fn what_is_not_told_says_why() {
        let long = format!(r#"{{"jsonrpc":"2.0","method":"{}"}}"#, "m".repeat(MAX_PEEK));
        for (body, why) in [
            ("", "nothing_came"),
            ("tools/call", "not_json"),
            ("\u{feff}{}", "not_utf8"),
            ("{}", "not_rpc"),
            (r#"{"jsonrpc":"2.0","method":"a","method":"b"}"#, "ambiguous"),
            (&long, "too_large"),
        ] {
            assert_eq!(asked(body, true), why, "{body:.40}");
        }
    }

    #[test]
    fn nothing_is_kept_of_what_is_too_large() {
        let mut declared = Peek::new(true, Some(MAX_PEEK as u64 + 1));
        declared.push(b"{}");
        let mut grown = Peek::new(true, None);
        (0..3).for_each(|_| grown.push(&[b' '; MAX_PEEK / 2]));
        for peek in [declared, grown] {
            assert_eq!((peek.bytes.capacity(), peek.read(true, &Hidden::default())), (0, Asked::Unread("too_large")));
        }
        assert_eq!(Peek::new(false, None).read(true, &Hidden::default()), Asked::Nothing);
        assert_eq!(Peek::new(true, Some(0)).read(true, &Hidden::default()), Asked::Nothing);
    }

    #[test]
    fn names_are_bounded() {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "ä".repeat(5000) } });
        let told = asked(&body.to_string(), false);
        assert_eq!(told["list"][0]["tool"].as_str().unwrap().chars().count(), super::super::MAX_NAME + 1);
    }
}
