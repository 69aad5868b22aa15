//! Where calls are written down: in the file that was asked for, or one for each tunnel in the user's state folder.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use gantz_audit::Limits;
use gantz_shared::failure::{Exit, Failure};

use super::args::RunArgs;
use super::printer::Printer;
use crate::calls::{self, Calls, Kept};

/// Longest name of a file, before its ending, characters: file systems take 255 bytes.
const MAX_FILE_NAME: usize = 100;

/// Whether this asks for no log.
pub(super) fn is_none(path: &Path) -> bool {
    path.as_os_str() == "none"
}

/// Opens the log. One that was asked for has to be there; without the default one the run goes on, and says so.
pub(super) fn open(args: &RunArgs, printer: Printer) -> Result<(Calls, Option<Kept>), Failure> {
    let opened = match &args.call_log {
        Some(path) if is_none(path) => return Ok((Calls::default(), None)),
        Some(path) => calls::open(path, Limits::default()).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot write calls down in {}", path.display()))
                .why(error)
                .hint("a file of its own that this user may write to with --call-log, or --call-log none")
        })?,
        None => {
            let opened = folder().ok_or_else(|| "the home folder is not known".to_owned()).and_then(|folder| {
                let opened = calls::open_free(&folder, &file_name(args), Limits::default());
                opened.map_err(|error| format!("{}: {error}", folder.display()))
            });
            match opened {
                Ok(opened) => opened,
                Err(why) => {
                    printer.note(&format!("warning: calls are not written down (--call-log FILE): {why}"));
                    return Ok((Calls::default(), None));
                }
            }
        }
    };
    let (audit, kept) = opened;
    tracing::info!(path = %kept.path().display(), "calls are written down");
    Ok((Calls::new(audit, args.log_arguments == Some(true)), Some(kept)))
}

fn folder() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("gantz").join("calls"))
}

/// What tells a tunnel from the user's others, run after run: its name where one is asked for, else where it leads. A
/// random name would leave a file behind for every run.
fn file_name(args: &RunArgs) -> String {
    match (&args.name, &args.target) {
        (Some(name), _) => plain(name),
        (None, Some(target)) => plain(target.authority().as_str()),
        (None, None) => "demo".to_owned(),
    }
}

/// In letters, digits, dots and hyphens, and beginning with neither of the latter.
fn plain(name: &str) -> String {
    let characters =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' });
    let plain: String = characters.take(MAX_FILE_NAME).collect();
    let plain = plain.trim_matches(['-', '.']);
    if plain.is_empty() { "tunnel".to_owned() } else { plain.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_plain() {
        for (name, file) in [
            ("My-Tools", "my-tools"),
            ("127.0.0.1:8090", "127.0.0.1-8090"),
            ("[::1]:8090", "1--8090"),
            ("../../etc", "etc"),
            ("..", "tunnel"),
        ] {
            assert_eq!(plain(name), file);
        }
        assert_eq!(plain(&"a".repeat(1000)).len(), MAX_FILE_NAME);
    }
}
