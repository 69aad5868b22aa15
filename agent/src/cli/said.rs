//! Who has said what: for each setting of `gantz run`, the layer that it comes from. The first that says something is
//! heard: flag, environment, `./gantz.yaml`, the user's file, default.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;

/// A layer; the least is heard first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    Flag,
    Environment,
    /// `./gantz.yaml`.
    Project(PathBuf),
    /// The user's configuration file.
    User(PathBuf),
}

/// Which layer was heard, by the setting's key: the name of its flag with `_` for `-`.
#[derive(Debug, Default)]
pub(super) struct Said(HashMap<String, Layer>);

impl Said {
    /// What flags and environment of the subcommand have said.
    pub(super) fn by(matches: &ArgMatches) -> Self {
        let Some((_, matches)) = matches.subcommand() else { return Self::default() };
        let layer = |id: &str| match matches.value_source(id)? {
            ValueSource::CommandLine => Some(Layer::Flag),
            ValueSource::EnvVariable => Some(Layer::Environment),
            _ => None,
        };
        let ids = matches.ids().map(clap::Id::as_str);
        Self(ids.filter_map(|id| Some((id.to_owned(), layer(id)?))).collect())
    }

    /// Notes that `layer` is the one heard on `key`.
    pub(super) fn note(&mut self, key: &str, layer: Layer) {
        self.0.insert(key.to_owned(), layer);
    }

    /// The layer that was heard on `key`; none: it is the default.
    pub(super) fn layer(&self, key: &str) -> Option<&Layer> {
        self.0.get(key)
    }
}

/// A setting as the one who said it wrote it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spelled<'a> {
    pub(super) key: &'a str,
    /// The one value that is meant, where it is not the setting as such.
    pub(super) value: Option<&'a str>,
    pub(super) layer: &'a Layer,
}

impl fmt::Display for Spelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (flag, yaml) = match self.value {
            Some(value) => (format!("={value}"), format!(": {value}")),
            None => (String::new(), String::new()),
        };
        match self.layer {
            // The one argument that is no flag.
            Layer::Flag if self.key == "target" => f.write_str("TARGET"),
            Layer::Flag => write!(f, "--{}{flag}", self.key.replace('_', "-")),
            Layer::Environment => write!(f, "GANTZ_{}{flag}", self.key.to_uppercase()),
            Layer::Project(path) | Layer::User(path) => write!(f, "`{}{yaml}` in {}", self.key, path.display()),
        }
    }
}
