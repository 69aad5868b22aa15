//! The relay's file: what neither flags nor environment say.

use std::path::PathBuf;

use clap::ArgMatches;
use gantz_cli::{Source, Sources};

/// The one that is heard where none is named, and it need not be there.
const USUAL: &str = "/etc/gantz/relay.yaml";

/// What says which file it is, and what is only about how a look at it is shown.
const NO_KEYS: &[&str] = &["config", "json"];

/// The file that the command of these names hears.
pub(super) fn sources(command: &[&str], matches: &ArgMatches) -> Sources {
    let is_lenient = match command {
        ["serve"] => false,
        ["config", "check"] => true,
        _ => return Sources::default(),
    };
    let named = matches.try_get_one::<PathBuf>("config").ok().flatten();
    let source = match named {
        Some(path) => Source { path: path.clone(), is_asked_for: true },
        None => Source { path: USUAL.into(), is_asked_for: false },
    };
    Sources { files: vec![source], without: NO_KEYS, command: "gantz-relay serve", is_lenient }
}
