//! `./gantz.yaml` and the user's config file: what neither flags nor environment give `gantz run`.

use std::path::PathBuf;

use clap::ArgMatches;
use gantz_cli::{Source, Sources};

/// The file of a project, in the folder where `gantz` runs.
const PROJECT: &str = "gantz.yaml";

/// What a file would ask for each time, and is meant for one.
const ONCE: &[&str] = &["new"];

/// The files that the command of these names hears.
pub(super) fn sources(command: &[&str], _: &ArgMatches) -> Sources {
    if command != ["run"] {
        return Sources::default();
    }
    let files = [Some(PathBuf::from(PROJECT)), user_file()].into_iter().flatten();
    Sources {
        files: files.map(|path| Source { path, is_asked_for: false }).collect(),
        without: ONCE,
        command: "gantz run",
        is_lenient: false,
    }
}

fn user_file() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("gantz").join("config.yaml"))
}
