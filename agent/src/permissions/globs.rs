//! Which tools by their names: `read_*,list_*`.
//!
//! Case-sensitive. `*` is any run of characters, `/` and `.` among them; `?` one byte; `[a-z]` and `[!a-z]` one of a
//! set; `{a,b}` either; `\` takes the next character as it is.

use std::fmt;
use std::str::FromStr;

use globset::{Candidate, GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};

use super::{MAX_GLOB, MAX_GLOBS};

/// Globs of tool names; a name that any of them matches is allowed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ToolGlobs(Vec<GlobMatcher>);

impl ToolGlobs {
    /// Whether one of them matches.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        matches_any(&self.0, name)
    }

    /// Those that match none of `names`.
    pub(super) fn unmatched(&self, names: &[&str]) -> Vec<&str> {
        self.0
            .iter()
            .filter(|glob| !names.iter().any(|name| matches_any(std::slice::from_ref(glob), name)))
            .map(|glob| glob.glob().glob())
            .collect()
    }
}

/// Each glob by its own expression, not as a `GlobSet`: that one takes names apart as paths first.
fn matches_any(globs: &[GlobMatcher], name: &str) -> bool {
    let name = Candidate::from_bytes(name);
    globs.iter().any(|glob| glob.is_match_candidate(&name))
}

impl FromStr for ToolGlobs {
    type Err = BadGlob;

    fn from_str(text: &str) -> Result<Self, BadGlob> {
        let mut globs = Vec::new();
        for glob in split(text) {
            let glob = glob.trim();
            if globs.len() == MAX_GLOBS {
                return Err(BadGlob::TooMany);
            }
            globs.push(compile(glob)?);
        }
        Ok(Self(globs))
    }
}

fn compile(glob: &str) -> Result<GlobMatcher, BadGlob> {
    if glob.is_empty() {
        return Err(BadGlob::Empty);
    }
    if glob.len() > MAX_GLOB {
        return Err(BadGlob::TooLong(glob.chars().take(32).collect()));
    }
    // The same on every system: the defaults follow the system's paths.
    let compiled = GlobBuilder::new(glob).literal_separator(false).backslash_escape(true).build();
    let compiled =
        compiled.map_err(|error| BadGlob::Invalid { glob: glob.to_owned(), why: error.kind().to_string() })?;
    Ok(compiled.compile_matcher())
}

/// Splits at the commas that are not inside `{…}` or `[…]` and not behind a `\`.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut braces, mut in_class, mut escaped) = (Vec::new(), 0, 0_usize, false, false);
    for (at, c) in text.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match c {
            ']' => in_class = false,
            _ if in_class => {}
            '[' => in_class = true,
            '\\' => escaped = true,
            '{' => braces += 1,
            '}' => braces = braces.saturating_sub(1),
            ',' if braces == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

impl fmt::Display for ToolGlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, glob) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", glob.glob().glob())?;
        }
        Ok(())
    }
}

impl PartialEq for ToolGlobs {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().map(GlobMatcher::glob).eq(other.0.iter().map(GlobMatcher::glob))
    }
}

impl Eq for ToolGlobs {}

impl TryFrom<String> for ToolGlobs {
    type Error = BadGlob;

    fn try_from(text: String) -> Result<Self, BadGlob> {
        text.parse()
    }
}

impl From<ToolGlobs> for String {
    fn from(globs: ToolGlobs) -> Self {
        globs.to_string()
    }
}

/// Not a list of globs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadGlob {
    /// Nothing, or nothing between two commas.
    #[error("there is an empty glob in the list; write globs of tool names with commas between them: read_*,list_*")]
    Empty,
    /// One that cannot be read.
    #[error("`{glob}` is not a glob: {why}; write globs of tool names with commas between them: read_*,list_*")]
    Invalid {
        /// As it was written.
        glob: String,
        /// What is wrong with it.
        why: String,
    },
    /// One that is longer than [`MAX_GLOB`].
    #[error("the glob `{0}…` is longer than {MAX_GLOB} bytes; shorten it")]
    TooLong(String),
    /// More than [`MAX_GLOBS`].
    #[error("there are more than {MAX_GLOBS} globs; use wider ones")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn globs(text: &str) -> ToolGlobs {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_is_allowed_when_one_glob_matches_all_of_it() {
        for (text, name, allowed) in [
            ("read_*,list_*", "read_file", true),
            ("read_*,list_*", "list_", true),
            ("read_*, list_*", "list_files", true),
            ("read_*", "Read_file", false),
            ("read_*", "xread_file", false),
            ("read", "read_file", false),
            ("*", "", true),
            ("*", "a/b.c", true),
            ("**", "a/b.c", true),
            ("read_*", "read_a/b", true),
            ("*_file", "a/b_file", true),
            ("get_?", "get_a", true),
            ("get_?", "get_ab", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("{get,list}_x", "list_x", true),
            ("{get,list}_x,y", "y", true),
            ("[,]x,y", ",x", true),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
            (r"a\,b", "a,b", true),
            ("read_*", "read_\nfile", true),
            ("größe", "größe", true),
        ] {
            assert_eq!(globs(text).allows(name), allowed, "{text} {name}");
        }
    }

    #[test]
    fn errors_name_the_bad_glob() {
        for (text, named) in
            [("read_*,[x", "`[x`"), ("{a,read_*", "`{a,read_*`"), ("ok,a}", "`a}`"), ("[z-a]", "`[z-a]`")]
        {
            let error = text.parse::<ToolGlobs>().unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        for text in ["", " ", "a,", ",a", "a,,b", "a, ,b"] {
            assert_eq!(text.parse::<ToolGlobs>(), Err(BadGlob::Empty), "{text:?}");
        }
        assert_eq!(vec!["a"; MAX_GLOBS + 1].join(",").parse::<ToolGlobs>(), Err(BadGlob::TooMany));
        assert!(vec!["a"; MAX_GLOBS].join(",").parse::<ToolGlobs>().is_ok());
        assert!(matches!("a".repeat(MAX_GLOB + 1).parse::<ToolGlobs>(), Err(BadGlob::TooLong(_))));
        assert!("ä".repeat(MAX_GLOB).parse::<ToolGlobs>().is_err());
    }

    #[test]
    fn globs_that_match_none_of_the_names() {
        let names = ["read_a", "write_b"];
        assert_eq!(globs("read_*,list_*,x").unmatched(&names), ["list_*", "x"]);
    }

    proptest! {
        /// What is shown is what was meant, whatever was typed.
        #[test]
        fn shown_globs_parse_to_the_same(text in r"[a-c*?,{}\[\]!\\ -]{0,12}") {
            if let Ok(globs) = text.parse::<ToolGlobs>() {
                prop_assert_eq!(globs.to_string().parse::<ToolGlobs>(), Ok(globs));
            }
        }
    }
}
