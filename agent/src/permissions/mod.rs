//! What a token may call, and what its holder gets to see.
//!
//! ```text
//! caller ─▶ Guard::head ─▶ Guard::body ─▶ local server ─▶ Guard::answer ─▶ Whole | Events ─▶ caller
//!             (fields)      (JSON-RPC)                      (what kind)      (tools/list is cut)
//! ```
//!
//! Bytes in, values out: nothing here reads a socket or a clock. Of a token without permissions only a short body is
//! looked at, and only where `Mcp-Method` or `Mcp-Name` describe it. What always holds for a token with them: a request that cannot be read without doubt is
//! refused, and an answer that cannot be read is not passed on. Everything that passes is passed byte for byte, except
//! for the tools that are cut out of a list. What is held for that is bounded, for all callers together, by [`Room`].

mod answer;
mod book;
mod buffer;
mod events;
mod globs;
mod guard;
mod headers;
mod list;
mod refusal;
mod room;
mod rpc;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use answer::{Answer, Page, Whole, Withheld, page};
pub use book::{Tool, ToolBook};
pub use buffer::{Buffer, Full, TooLarge};
pub use events::Events;
pub use globs::{BadGlob, ToolGlobs};
pub use guard::{Guard, Need};
pub use refusal::Refusal;
pub use room::{Busy, MAX_HELD_ANSWERS, MAX_HELD_REQUESTS, MAX_READ_HERE, Room, UNCOUNTED};
pub use rpc::{Id, Message, Messages, Unreadable};

/// Longest request body that is read for a token with permissions, bytes: the edge's own default limit. The body is
/// held whole, because what it asks for is only known at its end.
pub const MAX_REQUEST: usize = 16 << 20;

/// Longest JSON answer that is read for a token with permissions, bytes.
pub const MAX_ANSWER: usize = 16 << 20;

/// Longest single server-sent event that is read for a token with permissions, bytes.
pub const MAX_EVENT: usize = 16 << 20;

/// Messages in one batch. JSON-RPC batches exist in one revision of MCP only, and clients send a handful.
pub const MAX_BATCH: usize = 1024;

/// Names of tools that a tunnel remembers: the first that the server lists.
pub const MAX_TOOLS: usize = 4096;

/// Tools in one answer to `tools/list`. A longer list is not read, so that no answer takes many times its own memory.
pub const MAX_LISTED: usize = 4 * MAX_TOOLS;

/// Longest name of a tool that is remembered, bytes. MCP 2025-11-25 recommends at most 128 characters.
pub const MAX_TOOL_NAME: usize = 256;

/// Globs of one token.
pub const MAX_GLOBS: usize = 64;

/// Length of one glob, bytes.
pub const MAX_GLOB: usize = 256;

/// What a token may do. The default is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permissions {
    /// Which tools may be called; all, where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<ToolGlobs>,
    /// Only tools whose annotations say `readOnlyHint: true`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}

impl Permissions {
    /// Whether there is nothing to enforce.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.tools.is_none() && !self.read_only
    }

    /// Whether the globs let `name` through. What `read_only` says of it is the [`ToolBook`]'s to know.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.allows(name))
    }

    /// Whether a tool that a list describes may be seen.
    fn shows(&self, tool: &Tool) -> bool {
        self.allows(&tool.name) && (tool.read_only || !self.read_only)
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.tools, self.read_only) {
            (None, false) => f.write_str("all tools"),
            (None, true) => f.write_str("read-only tools"),
            (Some(tools), false) => write!(f, "{tools}"),
            (Some(tools), true) => write!(f, "{tools} (read-only)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_as_a_list_shows_and_stores_them() {
        for (tools, read_only, shown, stored) in [
            (None, false, "all tools", "{}"),
            (None, true, "read-only tools", r#"{"read_only":true}"#),
            (Some("read_*,list_*"), false, "read_*,list_*", r#"{"tools":"read_*,list_*"}"#),
            (Some("read_*"), true, "read_* (read-only)", r#"{"tools":"read_*","read_only":true}"#),
        ] {
            let permissions = Permissions { tools: tools.map(|tools| tools.parse().unwrap()), read_only };
            assert_eq!(permissions.to_string(), shown);
            assert_eq!(serde_json::to_string(&permissions).unwrap(), stored);
            assert_eq!(serde_json::from_str::<Permissions>(stored).unwrap(), permissions);
        }
    }

    #[test]
    fn a_stored_permission_that_is_not_understood_is_no_permission() {
        for stored in [r#"{"tools":"["}"#, r#"{"tools":""}"#, r#"{"tool":"read_*"}"#, r#"{"read_only":"yes"}"#] {
            assert!(serde_json::from_str::<Permissions>(stored).is_err(), "{stored}");
        }
    }
}
