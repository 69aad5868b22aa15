//! A request body, read so that no server can read it otherwise.
//!
//! Servers differ in what they make of odd JSON: of two members of one name JavaScript and Python take the last, others
//! the first; Go finds a member by any spelling of its name; Python takes UTF-16 and a byte order mark. Whatever they
//! could differ on, as far as it decides what is called, is not read at all.

mod value;

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use value::{KEEP, SKIP, Scalar};

use super::MAX_BATCH;

/// Members of a message whose names have a meaning, and of its `params`.
const MESSAGE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
const PARAMS: [&str; 5] = ["name", "arguments", "uri", "taskId", "_meta"];

/// What a body holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Messages {
    /// Whether they stand in an array.
    pub batch: bool,
    /// At least one.
    pub list: Vec<Message>,
}

/// One request, notification or response.
#[derive(Clone, PartialEq)]
pub struct Message {
    /// Its id; none for a notification.
    pub id: Option<Id>,
    /// Its method; none for a response.
    pub method: Option<String>,
    /// What `Mcp-Name` mirrors: the tool, the prompt, the resource or the task.
    pub name: Option<String>,
}

/// What a response has to repeat.
#[derive(Debug, Clone, PartialEq)]
pub enum Id {
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
}

impl Messages {
    /// Reads a whole body.
    ///
    /// # Errors
    /// [`Unreadable`]
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        if body.starts_with(b"\xef\xbb\xbf") {
            return Err(Unreadable::Bom);
        }
        let text = std::str::from_utf8(body).map_err(|_| Unreadable::NotUtf8)?;
        serde_json::from_str(text).map_err(|error| Unreadable::of(&error))
    }
}

impl Message {
    /// The tool that this calls.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        if self.method.as_deref() == Some("tools/call") { self.name.as_deref() } else { None }
    }
}

/// The member of `params` that `Mcp-Name` mirrors for `method`.
fn named_by(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" | "tasks/result" => Some("taskId"),
        _ => None,
    }
}

/// The names may be of something private; what is called is for the log of calls.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("method", &self.method).finish_non_exhaustive()
    }
}

/// Why a body is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// It begins with a byte order mark.
    #[error("begins with a byte order mark")]
    Bom,
    /// It is not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// It is not one JSON value, or nested deeper than serde_json reads, 127 levels.
    #[error("is not one JSON value, or nested too deeply")]
    NotJson,
    /// It is JSON, but neither a message nor an array of messages.
    #[error("is not a JSON-RPC 2.0 message or a batch of them")]
    NotRpc,
    /// Different servers would read it differently.
    #[error("has a member twice, or one that is spelled almost like a known one")]
    Ambiguous,
    /// It is a batch of more than [`MAX_BATCH`].
    #[error("is a batch of more than {MAX_BATCH} messages")]
    LongBatch,
}

impl Unreadable {
    /// serde carries no errors of one's own but by their words, which it puts first.
    fn of(error: &serde_json::Error) -> Self {
        if !error.is_data() {
            return Self::NotJson;
        }
        let words = error.to_string();
        [Self::Ambiguous, Self::LongBatch]
            .into_iter()
            .find(|known| words.starts_with(&known.to_string()))
            .unwrap_or(Self::NotRpc)
    }
}

/// A name as the loosest reader compares it: Go folds case by Unicode, so that `ſ` is an `s` and the Kelvin sign a `k`.
fn folded(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Members of a message, and of its `params`, each of which is looked at: MCP knows about ten.
const MAX_MEMBERS: usize = 256;

/// Length of the name of each of these, bytes: all of them are kept to be compared.
const MAX_MEMBER_NAME: usize = 1024;

/// The members of one object so far.
struct Members {
    known: &'static [&'static str],
    seen: HashSet<String>,
}

impl Members {
    fn new(known: &'static [&'static str]) -> Self {
        Self { known, seen: HashSet::new() }
    }

    fn next<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<Option<String>, A::Error> {
        let Some(name) = map.next_key::<String>()? else { return Ok(None) };
        if self.seen.len() == MAX_MEMBERS || name.len() > MAX_MEMBER_NAME {
            return Err(A::Error::custom(Unreadable::NotRpc));
        }
        let fold = folded(&name);
        let is_odd = name.contains(char::is_control) || name == "__proto__";
        // What is known is ASCII, and so is what folds to it.
        let is_misspelt = self.known.iter().any(|known| *known != name && fold.eq_ignore_ascii_case(known));
        if is_odd || is_misspelt || !self.seen.insert(fold) {
            return Err(A::Error::custom(Unreadable::Ambiguous));
        }
        Ok(Some(name))
    }
}

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Body;
        impl<'de> Visitor<'de> for Body {
            type Value = Messages;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON-RPC")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Messages, A::Error> {
                let message = Message::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Messages { batch: false, list: vec![message] })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Messages, A::Error> {
                let mut list = Vec::new();
                while let Some(message) = seq.next_element()? {
                    if list.len() == MAX_BATCH {
                        return Err(A::Error::custom(Unreadable::LongBatch));
                    }
                    list.push(message);
                }
                if list.is_empty() {
                    return Err(A::Error::custom(Unreadable::NotRpc));
                }
                Ok(Messages { batch: true, list })
            }
        }
        deserializer.deserialize_any(Body)
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Message;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON-RPC message")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Message, A::Error> {
                let (mut members, mut is_2_0, mut is_response) = (Members::new(&MESSAGE), false, false);
                let (mut id, mut method, mut params) = (None, None, Params::default());
                while let Some(name) = members.next(&mut map)? {
                    match name.as_str() {
                        "jsonrpc" => is_2_0 = map.next_value_seed(KEEP)? == Scalar::Text("2.0".to_owned()),
                        "id" => id = map.next_value_seed(KEEP)?.into_id(),
                        "method" => method = Some(map.next_value_seed(KEEP)?),
                        "params" => params = map.next_value()?,
                        _ => {
                            is_response |= name == "result" || name == "error";
                            map.next_value_seed(SKIP)?;
                        }
                    }
                }
                let method = match (method, is_response) {
                    (Some(Scalar::Text(method)), false) => Some(method),
                    (None, true) => None,
                    _ => return Err(A::Error::custom(Unreadable::NotRpc)),
                };
                if !is_2_0 {
                    return Err(A::Error::custom(Unreadable::NotRpc));
                }
                let name = method.as_deref().and_then(named_by).and_then(|member| params.take(member));
                // A call has to say what it calls; and what is almost one might be one to somebody.
                if method.as_ref().is_some_and(|method| method.contains(|c: char| !c.is_ascii_graphic())) {
                    return Err(A::Error::custom(Unreadable::NotRpc));
                }
                if let Some(method) = &method
                    && method.trim().eq_ignore_ascii_case("tools/call")
                    && (method != "tools/call" || name.as_ref().is_none_or(|name| name.contains(char::is_control)))
                {
                    return Err(A::Error::custom(Unreadable::NotRpc));
                }
                Ok(Message { id, method, name })
            }
        }
        deserializer.deserialize_any(Object)
    }
}

/// Those members of `params` that `Mcp-Name` may mirror.
#[derive(Default)]
struct Params(Vec<(String, Scalar)>);

impl Params {
    fn take(self, member: &str) -> Option<String> {
        self.0.into_iter().find_map(|(name, value)| match value {
            Scalar::Text(text) if name == member => Some(text),
            _ => None,
        })
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Params;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("params")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
                let (mut members, mut kept) = (Members::new(&PARAMS), Vec::new());
                while let Some(name) = members.next(&mut map)? {
                    if matches!(name.as_str(), "name" | "uri" | "taskId") {
                        kept.push((name, map.next_value_seed(KEEP)?));
                    } else {
                        map.next_value_seed(SKIP)?;
                    }
                }
                Ok(Params(kept))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Params, A::Error> {
                SKIP.visit_seq(seq).map(|_| Params::default())
            }

            fn visit_unit<E: Error>(self) -> Result<Params, E> {
                Ok(Params::default())
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests;
