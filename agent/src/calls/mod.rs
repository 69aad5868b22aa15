//! The log of calls: who called what, a JSON line each, for whoever the tunnel belongs to.
//!
//! ```text
//!           ┌ Call ◀── how it ended ─────────┐
//! request ──┤                                ├─▶ dropped ─▶ Line ─▶ gantz_audit
//!           └ Tally ◀─ bytes as they pass ───┘
//!                └ Peek: the beginning of the body, read once the call is over
//! ```
//!
//! Nothing here holds a byte up: what passes is counted, and of a request's body up to [`MAX_PEEK`] bytes are copied, which
//! are only looked at when the answer is out. With the log off nothing is counted or copied. What is called is what the
//! body says; `Mcp-Method` and `Mcp-Name` are only what the caller says of it.

mod call;
mod file;
mod hidden;
mod line;
mod peek;
mod tally;

use std::time::Instant;

use gantz_audit::Audit;
use gantz_shared::token::Token;
use gantz_shared::wire::head::RequestHead;

pub use call::Call;
pub use file::{Kept, MAX_SHARED, OpenError, open, open_free};
pub use line::Outcome;
pub use peek::MAX_PEEK;
pub use tally::Tally;

use crate::tokens::Book;
use hidden::Hidden;

/// Longest path, HTTP method, JSON-RPC method and name of a tool that a line holds, characters. Longer ones are cut, and
/// end in `…`.
pub const MAX_NAME: usize = 256;

/// Where calls are written down. The default is nowhere.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    /// The file's lines.
    pub audit: Audit,
    /// Whether a line has the arguments of its tool, without what looks like a secret.
    pub with_arguments: bool,
    hidden: Hidden,
}

impl Calls {
    /// In this log, with the `arguments` of its tools or without.
    #[must_use]
    pub fn new(audit: Audit, with_arguments: bool) -> Self {
        Self { audit, with_arguments, hidden: Hidden::default() }
    }

    /// Keeps these tokens out of every line, too: one that its owner has brought looks like nothing.
    #[must_use]
    pub fn hiding(self, tokens: impl IntoIterator<Item = Token>) -> Self {
        Self { hidden: Hidden::new(tokens), ..self }
    }

    /// A request has come, `started` when its stream was taken.
    pub(crate) fn begin(&self, head: &RequestHead, tokens: &Book, started: Instant) -> Call {
        if self.audit.is_on() { Call::new(self.clone(), head, tokens, started) } else { Call::default() }
    }
}
