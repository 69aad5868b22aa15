//! The tools of a tunnel's local server as the agent itself has listed them, and which of them only read.
//!
//! All tokens of a tunnel share one book. Nothing that passes on behalf of a caller gets into it: a server that repeats
//! what it is sent, on whatever path, would let callers vouch for tools. It is bounded: of a server with more tools than
//! it holds the first are remembered, and a tool that is not remembered is not known to only read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{MAX_TOOL_NAME, MAX_TOOLS, ToolGlobs};

/// A tool as a list describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its annotations say `readOnlyHint: true`, exactly.
    pub read_only: bool,
}

/// The tools of one tunnel.
#[derive(Default)]
pub struct ToolBook {
    known: Mutex<BTreeMap<Box<str>, bool>>,
    asked: Notify,
}

impl ToolBook {
    /// From now on these are the tools. Where the list says two things of one name, the tool does not only read.
    pub fn replace(&self, tools: &[Tool]) {
        let mut said: BTreeMap<Box<str>, bool> = BTreeMap::new();
        for tool in tools.iter().filter(|tool| tool.name.len() <= MAX_TOOL_NAME) {
            let has_room = said.len() < MAX_TOOLS;
            match said.get_mut(&*tool.name) {
                Some(read_only) => *read_only &= tool.read_only,
                None if has_room => drop(said.insert(tool.name.as_str().into(), tool.read_only)),
                None => {}
            }
        }
        *self.lock() = said;
    }

    /// Nothing is known any more: what was has grown too old.
    pub fn forget(&self) {
        self.lock().clear();
    }

    /// Asks whoever lists the tools to do so again. Anybody may cause this; it is a wish, and how often it is granted is
    /// bounded there.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// Waits until somebody [asks](Self::ask). Cancel-safe.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Whether the tool only reads; `None` when no list has named it yet.
    #[must_use]
    pub fn read_only(&self, name: &str) -> Option<bool> {
        self.lock().get(name).copied()
    }

    /// The names there are, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().keys().map(|name| String::from(&**name)).collect()
    }

    /// The globs that match no tool there is. None, as long as no tools are known.
    #[must_use]
    pub fn unmatched<'a>(&self, globs: &'a ToolGlobs) -> Vec<&'a str> {
        let known = self.lock();
        let names: Vec<&str> = known.keys().map(|name| &**name).collect();
        if names.is_empty() { Vec::new() } else { globs.unmatched(&names) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Box<str>, bool>> {
        // Every change is one step; a panic elsewhere leaves nothing half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ToolBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolBook").field("tools", &self.lock().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, read_only: bool) -> Tool {
        Tool { name: name.to_owned(), read_only }
    }

    #[test]
    fn the_last_list_counts_and_within_one_the_stricter_word() {
        let book = ToolBook::default();
        assert_eq!(book.read_only("a"), None);
        book.replace(&[tool("a", true), tool("b", true), tool("b", false), tool("c", false), tool("c", true)]);
        assert_eq!(["a", "b", "c", "d"].map(|name| book.read_only(name)), [Some(true), Some(false), Some(false), None]);
        book.replace(&[tool("c", true), tool("a", false)]);
        assert_eq!((book.read_only("a"), book.read_only("b")), (Some(false), None));
        assert_eq!(book.names(), ["a", "c"]);
        book.forget();
        assert_eq!(book.read_only("c"), None);
    }

    #[test]
    fn globs_without_a_tool_are_only_named_when_tools_are_known() {
        let book = ToolBook::default();
        let globs = "read_*,list_*".parse().unwrap();
        assert!(book.unmatched(&globs).is_empty());
        book.replace(&[tool("read_a", true)]);
        assert_eq!(book.unmatched(&globs), ["list_*"]);
    }

    #[test]
    fn the_book_is_bounded() {
        let book = ToolBook::default();
        let tools: Vec<Tool> = (0..=MAX_TOOLS).map(|index| tool(&format!("t{index:05}"), true)).collect();
        book.replace(&tools);
        assert_eq!(book.names().len(), MAX_TOOLS);
        assert_eq!((book.read_only(&tools[0].name), book.read_only(&tools[MAX_TOOLS].name)), (Some(true), None));
        assert!(!format!("{book:?}").contains("t00001"));
        book.replace(&[tool(&"x".repeat(MAX_TOOL_NAME + 1), true)]);
        assert!(book.names().is_empty());
    }
}
