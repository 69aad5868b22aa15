//! Which names a key may ask for: `alice-*,tools-?`.

use std::fmt;
use std::str::FromStr;

use gantz_shared::limits::MAX_NAME_LEN;
use gantz_shared::name::Name;
use globset::{Glob, GlobMatcher};

/// Globs of one key.
const MAX_GLOBS: usize = 32;

/// What a glob may consist of: what a name does, and what stands for parts of one.
const WILD: &[u8] = b"-*?[]!";

/// Globs with commas between them; a name that one of them matches may be asked for. `*` is any run of characters, `?`
/// is one, `[a-z]` one of a set.
#[derive(Debug, Clone)]
pub(crate) struct NameGlobs(Vec<GlobMatcher>);

impl NameGlobs {
    pub(crate) fn allow(&self, name: &Name) -> bool {
        self.0.iter().any(|glob| glob.is_match(name.as_str()))
    }
}

impl FromStr for NameGlobs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let globs: Vec<&str> = text.split(',').map(str::trim).collect();
        if globs.len() > MAX_GLOBS {
            return Err(format!("there are more than {MAX_GLOBS} globs; use wider ones"));
        }
        globs.into_iter().map(compile).collect::<Result<_, _>>().map(Self)
    }
}

fn compile(glob: &str) -> Result<GlobMatcher, String> {
    let bad = || format!("`{}` is not a glob of names; alice-*, or alice-*,tools-? for several", glob.escape_debug());
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || WILD.contains(&byte);
    if glob.is_empty() || glob.len() > 2 * MAX_NAME_LEN || !glob.bytes().all(is_known) {
        return Err(bad());
    }
    // Names are in lower case.
    Ok(Glob::new(&glob.to_ascii_lowercase()).map_err(|_| bad())?.compile_matcher())
}

impl fmt::Display for NameGlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, glob) in self.0.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { "," }, glob.glob().glob())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_allowed_when_one_glob_matches_all_of_it() {
        for (globs, name, allowed) in [
            ("alice-*", "alice-tools", true),
            ("alice-*", "alice", false),
            ("alice-*", "malice-tools", false),
            ("Alice-*, bob", "bob", true),
            ("Alice-*, bob", "alice-x", true),
            ("tools-?", "tools-10", false),
            ("tools-[0-9]", "tools-7", true),
        ] {
            let parsed: NameGlobs = globs.parse().unwrap();
            assert_eq!(parsed.allow(&Name::parse(name).unwrap()), allowed, "{globs} {name}");
            assert_eq!(parsed.to_string().parse::<NameGlobs>().unwrap().to_string(), parsed.to_string());
        }
        for bad in ["", ",", "a,,b", "[", "{a,b}", "a/b", "a\nb", "ä*"] {
            assert!(bad.parse::<NameGlobs>().is_err(), "{bad}");
        }
    }
}
