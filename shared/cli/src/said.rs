//! Who has said what: for each setting of a command, the layer that it comes from. The first that says something is
//! heard: flag, environment, the files in their order, default.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use gantz_shared::failure::Failure;

/// A layer. They are equal where neither is heard before the other, and the least is heard first.
#[derive(Debug, Clone)]
pub enum Layer {
    /// The command line.
    Flag,
    /// A variable of the environment.
    Environment,
    /// A file.
    File(Place),
}

/// Where in a file.
#[derive(Debug, Clone)]
pub struct Place {
    /// The first file that is heard is 0.
    pub rank: usize,
    /// The file.
    pub path: PathBuf,
    /// Its line, from 1.
    pub line: u64,
}

impl Layer {
    fn rank(&self) -> usize {
        match self {
            Self::Flag => 0,
            Self::Environment => 1,
            Self::File(place) => place.rank.saturating_add(2),
        }
    }
}

impl PartialEq for Layer {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Layer {}

impl PartialOrd for Layer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Layer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment => f.write_str("environment"),
            Self::File(Place { path, line, .. }) => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// A setting as it was heard, as text.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The name of its flag with `_` for `-`.
    pub key: String,
    /// Each value; none where nobody has said one and there is no default.
    pub values: Vec<String>,
    /// Who has said it; none: it is the default.
    pub layer: Option<Layer>,
}

/// What was heard on the settings of a command.
#[derive(Debug, Default)]
pub struct Said {
    settings: Vec<Setting>,
    variables: &'static str,
    /// What was wrong with files and environment, where the command wants to hear of all of it.
    pub wrong: Vec<Failure>,
    /// Settings of which what was said cannot be used.
    pub(crate) unusable: Vec<String>,
    /// Whether there is a file of which nothing could be read.
    pub(crate) is_partial: bool,
}

impl Said {
    /// What `matches` has of `command`, where `files` have said what came as a default; variables begin with
    /// `variables`. No secret is in it.
    pub(crate) fn new(
        command: &Command,
        matches: &ArgMatches,
        files: &HashMap<String, Place>,
        variables: &'static str,
    ) -> Self {
        let layer = |id: &str| match matches.value_source(id)? {
            ValueSource::CommandLine => Some(Layer::Flag),
            ValueSource::EnvVariable => Some(Layer::Environment),
            _ => files.get(id).cloned().map(Layer::File),
        };
        let setting = |arg: &Arg| {
            let id = arg.get_id().as_str();
            // What is hidden in the environment is a secret here, too.
            let raw = matches.get_raw(id).filter(|_| !arg.is_hide_env_values_set());
            let values = raw.into_iter().flatten().map(OsStr::to_string_lossy).map(Into::into).collect();
            Setting { key: id.to_owned(), values, layer: layer(id) }
        };
        let arguments = command.get_arguments().filter(|arg| matches.try_contains_id(arg.get_id().as_str()).is_ok());
        Self { settings: arguments.map(setting).collect(), variables, ..Self::default() }
    }

    /// The layer that was heard on `key`; none: it is the default.
    #[must_use]
    pub fn layer(&self, key: &str) -> Option<&Layer> {
        self.settings.iter().find(|setting| setting.key == key)?.layer.as_ref()
    }

    /// As if nobody had said `key`: something else was heard that it contradicts.
    pub fn forget(&mut self, key: &str) {
        if let Some(setting) = self.find(key) {
            (setting.values, setting.layer) = (Vec::new(), None);
        }
    }

    /// Whoever said `by` has said this value of `key` with it.
    pub fn imply(&mut self, key: &str, value: &str, by: &str) {
        let layer = self.layer(by).cloned();
        if let Some(setting) = self.find(key) {
            (setting.values, setting.layer) = (vec![value.to_owned()], layer);
        }
    }

    fn find(&mut self, key: &str) -> Option<&mut Setting> {
        self.settings.iter_mut().find(|setting| setting.key == key)
    }

    /// Whether nothing that was wrong could have said one of `keys`.
    #[must_use]
    pub fn is_certain(&self, keys: &[&str]) -> bool {
        !self.is_partial && !self.unusable.iter().any(|key| keys.contains(&key.as_str()))
    }

    /// Every setting, in the order of the help.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// The setting, or the one `value` of it that is meant, as the one who said it wrote it.
    #[must_use]
    pub fn spelled(&self, key: &str, value: Option<&str>) -> String {
        let (flag, yaml) = match value {
            Some(value) => (format!("={value}"), format!(": {value}")),
            None => (String::new(), String::new()),
        };
        match self.layer(key) {
            // The one argument that is no flag.
            Some(Layer::Flag) if key == "target" => "TARGET".to_owned(),
            // What nobody has said is called by its flag.
            Some(Layer::Flag) | None => format!("--{}{flag}", key.replace('_', "-")),
            Some(Layer::Environment) => format!("{}{}{flag}", self.variables, key.to_uppercase()),
            Some(Layer::File(Place { path, .. })) => format!("`{key}{yaml}` in {}", path.display()),
        }
    }
}
