//! Files that say what neither flags nor environment do. Keys are the flags' names with `_` for `-`; a value goes
//! through its flag's own parser, and then the way of a default, so that there is one list of settings and one meaning
//! of each.
//!
//! ```text
//! words ─▶ clap, whatever is wrong ─▶ which files ─▶ entries ─▶ checked ─▶ defaults of the command ─▶ clap again
//! ```

mod check;
mod malformed;
mod read;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use gantz_shared::failure::{Exit, Failure};

use crate::said::Place;
use check::{is_list, value};
use read::{Entry, Key};

/// Which files a command hears.
#[derive(Debug, Default)]
pub struct Sources {
    /// The first is heard first.
    pub files: Vec<Source>,
    /// Settings that are no keys.
    pub without: &'static [&'static str],
    /// The command whose flags are the keys, for people.
    pub command: &'static str,
    /// Whether the command goes on with what is right, and is told all that is wrong.
    pub is_lenient: bool,
}

/// A file.
#[derive(Debug)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it has to be there.
    pub is_asked_for: bool,
}

/// What files and environment have said.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Where, by key.
    pub(crate) places: HashMap<String, Place>,
    values: HashMap<String, Vec<OsString>>,
    /// Settings whose variable is not heard.
    unheard: Vec<String>,
    /// Settings of which what was said cannot be used, those of variables among them.
    pub(crate) unusable: Vec<String>,
    /// Whether there is a file of which nothing could be read.
    pub(crate) is_partial: bool,
    /// All that is wrong, in the order of the files.
    pub(crate) wrong: Vec<Failure>,
}

impl Heard {
    /// Reads the files that the command of `path` hears, of which `matches` has what flags and environment say.
    pub(crate) fn by(command: &Command, matches: &ArgMatches, sources: &Sources) -> Self {
        let mut heard = Self::default();
        let args: Vec<&Arg> = command.get_arguments().filter(|arg| is_key(arg, sources.without)).collect();
        let keys: Vec<Key<'_>> =
            args.iter().map(|arg| Key { name: arg.get_id().as_str(), is_list: is_list(arg) }).collect();
        for (rank, source) in sources.files.iter().enumerate() {
            let text = match std::fs::read_to_string(&source.path) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound && !source.is_asked_for => continue,
                Err(error) => {
                    heard.is_partial = true;
                    heard.wrong.push(unreadable(source, &error));
                    continue;
                }
            };
            match read::entries(&text, &keys) {
                Ok(entries) => heard.take(entries, &args, rank, source, &keys),
                Err(error) => {
                    heard.is_partial = true;
                    heard.wrong.push(malformed::failure(&source.path, &error, sources.command));
                }
            }
        }
        if sources.is_lenient {
            heard.look_at_the_environment(&args, matches);
        }
        heard
    }

    fn take(&mut self, entries: Vec<Entry>, args: &[&Arg], rank: usize, source: &Source, keys: &[Key<'_>]) {
        for Entry { key, line, values } in entries {
            let place = Place { rank, path: source.path.clone(), line };
            let Some(arg) = args.iter().find(|arg| arg.get_id().as_str() == key) else {
                self.wrong.push(malformed::unknown_key(&place, &key, keys));
                continue;
            };
            match values.iter().map(|text| value(arg, text, &place)).collect::<Result<Vec<_>, _>>() {
                Ok(values) if !self.places.contains_key(&key) => {
                    self.places.insert(key.clone(), place);
                    self.values.insert(key, values);
                }
                // Who was heard before has said something else.
                Ok(_) => {}
                Err(failure) => {
                    self.wrong.push(failure);
                    self.unusable.push(key);
                }
            }
        }
    }

    /// Variables that clap would end at, one by one.
    fn look_at_the_environment(&mut self, args: &[&Arg], matches: &ArgMatches) {
        for arg in args {
            let id = arg.get_id().as_str();
            let by_flag = matches!(matches.value_source(id), Some(ValueSource::CommandLine));
            let variable = arg.get_env().filter(|_| !by_flag);
            let Some((variable, text)) = variable.and_then(|name| Some((name, std::env::var_os(name)?))) else {
                continue;
            };
            let checked = match text.to_str() {
                Some(text) => check::parsed(arg, text),
                None if check::is_path(arg) => Ok(()),
                None => Err("it is not UTF-8".to_owned()),
            };
            if let Err(words) = checked {
                let what = format!("the value of {} cannot be used", variable.to_string_lossy());
                self.wrong.push(Failure::new(Exit::Usage, what).words(&words));
                self.unheard.push(id.to_owned());
                self.unusable.push(id.to_owned());
            }
        }
    }

    /// The command at `path` below `command`, with what was heard.
    pub(crate) fn applied(&self, command: Command, path: &[&str]) -> Command {
        if let Some((first, rest)) = path.split_first() {
            return command.mut_subcommand(first, |inner| self.applied(inner, rest));
        }
        command.mut_args(|arg| {
            let id = arg.get_id().as_str().to_owned();
            let arg = match self.values.get(&id) {
                Some(values) => arg.default_values(values.clone()),
                None => arg,
            };
            if self.unheard.contains(&id) { arg.env(clap::builder::Resettable::Reset) } else { arg }
        })
    }
}

/// What a file can say.
fn is_key(arg: &Arg, without: &[&str]) -> bool {
    let is_of_clap =
        matches!(arg.get_action(), ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version);
    !is_of_clap && !without.contains(&arg.get_id().as_str())
}

fn unreadable(source: &Source, error: &io::Error) -> Failure {
    let hint = if error.kind() == io::ErrorKind::NotFound {
        "the path of a file that is there"
    } else {
        "make it readable, or move it away"
    };
    Failure::new(Exit::Usage, format!("cannot read {}", source.path.display())).why(error).hint(hint)
}
