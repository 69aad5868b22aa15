//! Who has claimed which name last, over restarts, where no access keys say whose a name is. Without it whoever had a name
//! before could come back for it when the relay was started again, and would get the calls, and the tokens, of its present
//! holder's callers until that is back.
//!
//! A file of lines, `CLAIMED NAME`, milliseconds since 1970; the last line of a name counts. It is appended to, and written
//! anew where it has become long.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use gantz_shared::name::Name;

use crate::state::{self, StateError};

const FILE: &str = "names.log";

/// Names of which it is known; the claims that are longest ago are forgotten.
pub(crate) const MAX_CLAIMS: usize = 10_000;

/// Lines after which the file is written anew.
const MAX_LINES: usize = 4 * MAX_CLAIMS;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Claims {
    path: PathBuf,
    claimed: HashMap<Name, u64>,
    lines: usize,
    /// The file may end in the middle of a line, which is not to become part of the next.
    is_torn: bool,
    /// That the file cannot be written was told.
    told: bool,
}

impl Claims {
    /// Those of the state folder `dir`. A line that is none, as a crash may leave, is passed over.
    pub(crate) fn load(dir: &Path) -> Result<Self, StateError> {
        let path = dir.join(FILE);
        let text = state::read(&path)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let is_torn = !text.is_empty() && !text.ends_with('\n');
        let mut claims = Self { path, claimed: HashMap::new(), lines: 0, is_torn, told: false };
        for line in text.lines() {
            claims.lines += 1;
            if let Some((claimed, name)) = line.split_once(' ')
                && let (Ok(claimed), Ok(name)) = (claimed.parse(), Name::parse(name))
            {
                claims.claimed.insert(name, claimed);
            }
        }
        Ok(claims)
    }

    /// When `name` was claimed last.
    pub(super) fn last(&self, name: &Name) -> Option<u64> {
        self.claimed.get(name).copied()
    }

    /// `name` is claimed. A disk that takes no more stops nobody; it is told once.
    pub(super) fn note(&mut self, name: &Name, claimed: u64) {
        if self.claimed.insert(name.clone(), claimed) == Some(claimed) {
            return;
        }
        let written = if self.claimed.len() > MAX_CLAIMS || self.lines >= MAX_LINES {
            self.write_anew()
        } else {
            self.lines += 1;
            let begin = if self.is_torn { "\n" } else { "" };
            let appended = self.append(&format!("{begin}{}", line(name, claimed)));
            self.is_torn = appended.is_err();
            appended.map_err(|error| error.to_string())
        };
        match written {
            Ok(()) => self.told = false,
            Err(error) if !self.told => {
                self.told = true;
                tracing::error!(path = %self.path.display(), error, "it cannot be written down who has claimed a name");
            }
            Err(_) => {}
        }
    }

    fn append(&self, line: &str) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.path)?.write_all(line.as_bytes())
    }

    /// With room for others, so that it is not written anew for each of them.
    fn write_anew(&mut self) -> Result<(), String> {
        let mut all: Vec<_> = self.claimed.drain().collect();
        all.sort_unstable_by_key(|(_, claimed)| std::cmp::Reverse(*claimed));
        all.truncate(MAX_CLAIMS / 4 * 3);
        let text: String = all.iter().map(|(name, claimed)| line(name, *claimed)).collect();
        (self.lines, self.is_torn) = (all.len(), false);
        self.claimed = all.into_iter().collect();
        state::write(&self.path, text.as_bytes(), 0o600).map_err(|error| error.to_string())
    }
}

fn line(name: &Name, claimed: u64) -> String {
    format!("{claimed} {name}\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn name(number: usize) -> Name {
        Name::parse(&format!("name-{number}")).unwrap()
    }

    #[test]
    fn the_last_claim_outlives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut claims = Claims::load(folder.path()).unwrap();
        assert_eq!(claims.last(&name(1)), None);
        claims.note(&name(1), 7);
        claims.note(&name(1), 9);
        claims.note(&name(2), 8);
        fs::write(folder.path().join(FILE), [fs::read(folder.path().join(FILE)).unwrap(), b"12".to_vec()].concat())
            .unwrap();
        let mut again = Claims::load(folder.path()).unwrap();
        assert_eq!((again.last(&name(1)), again.last(&name(2))), (Some(9), Some(8)));
        again.note(&name(3), 10);
        assert_eq!(Claims::load(folder.path()).unwrap().last(&name(3)), Some(10), "behind half a line");
    }

    #[test]
    fn it_forgets_the_oldest_and_stays_short() {
        let folder = tempfile::tempdir().unwrap();
        let mut claims = Claims::load(folder.path()).unwrap();
        for number in 0..=MAX_CLAIMS {
            claims.note(&name(number), number as u64);
        }
        assert_eq!(claims.last(&name(0)), None);
        let again = Claims::load(folder.path()).unwrap();
        assert_eq!((again.lines, again.last(&name(MAX_CLAIMS))), (MAX_CLAIMS / 4 * 3, Some(MAX_CLAIMS as u64)));
    }
}
