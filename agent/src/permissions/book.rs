//! The tools that a tunnel's local server has been seen to list, and which of them only read.
//!
//! All tokens of a tunnel share one book. It is filled from answers to `tools/list`, and bounded: a server with more
//! tools than it holds is remembered in part, and a tool that is not remembered is not known to only read.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::{MAX_TOOL_NAME, MAX_TOOLS, ToolGlobs};

const CAPACITY: NonZeroUsize = NonZeroUsize::new(MAX_TOOLS).unwrap();

/// A tool as a list describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its annotations say `readOnlyHint: true`, exactly.
    pub read_only: bool,
}

/// The tools of one tunnel.
pub struct ToolBook(Mutex<LruCache<Box<str>, bool>>);

impl Default for ToolBook {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }
}

impl ToolBook {
    /// Remembers what one list says. Where it says two things of one name, the tool does not only read.
    pub fn learn(&self, tools: &[Tool]) {
        let mut said: BTreeMap<&str, bool> = BTreeMap::new();
        for tool in tools.iter().filter(|tool| tool.name.len() <= MAX_TOOL_NAME) {
            let read_only = said.entry(&tool.name).or_insert(true);
            *read_only &= tool.read_only;
        }
        let mut known = self.lock();
        for (name, read_only) in said {
            // Names mostly are there already, and then nothing is allocated.
            match known.get_mut(name) {
                Some(before) => *before = read_only,
                None => drop(known.put(name.into(), read_only)),
            }
        }
    }

    /// Whether the tool only reads; `None` when no list has named it yet.
    #[must_use]
    pub fn read_only(&self, name: &str) -> Option<bool> {
        self.lock().peek(name).copied()
    }

    /// The names there are, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.lock().iter().map(|(name, _)| String::from(&**name)).collect();
        names.sort_unstable();
        names
    }

    /// The globs that match no tool there is. None, as long as no tools are known.
    #[must_use]
    pub fn unmatched<'a>(&self, globs: &'a ToolGlobs) -> Vec<&'a str> {
        let known = self.lock();
        let names: Vec<&str> = known.iter().map(|(name, _)| &**name).collect();
        if names.is_empty() { Vec::new() } else { globs.unmatched(&names) }
    }

    /// All that is known.
    #[must_use]
    pub fn tools(&self) -> Vec<Tool> {
        self.lock().iter().map(|(name, read_only)| Tool { name: name.to_string(), read_only: *read_only }).collect()
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Box<str>, bool>> {
        // Every change is one call of the map; a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ToolBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolBook").field("tools", &self.lock().len()).finish()
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
        book.learn(&[tool("a", true), tool("b", true), tool("b", false), tool("c", false), tool("c", true)]);
        assert_eq!(["a", "b", "c", "d"].map(|name| book.read_only(name)), [Some(true), Some(false), Some(false), None]);
        book.learn(&[tool("a", false)]);
        assert_eq!(book.read_only("a"), Some(false));
        assert_eq!(book.names(), ["a", "b", "c"]);
    }

    #[test]
    fn globs_without_a_tool_are_only_named_when_tools_are_known() {
        let book = ToolBook::default();
        let globs = "read_*,list_*".parse().unwrap();
        assert!(book.unmatched(&globs).is_empty());
        book.learn(&[tool("read_a", true)]);
        assert_eq!(book.unmatched(&globs), ["list_*"]);
    }

    #[test]
    fn the_book_is_bounded() {
        let book = ToolBook::default();
        let tools: Vec<Tool> = (0..=MAX_TOOLS).map(|index| tool(&format!("t{index:05}"), true)).collect();
        book.learn(&tools);
        book.learn(&[tool(&"x".repeat(MAX_TOOL_NAME + 1), true)]);
        assert_eq!(book.names().len(), MAX_TOOLS);
        assert_eq!((book.read_only("t00000"), book.read_only("t00001")), (None, Some(true)));
        assert!(!format!("{book:?}").contains("t00001"));
    }
}
