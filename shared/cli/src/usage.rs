//! What clap refuses, as this project's own screen where clap's does not help. No value is repeated that may be a secret.

use std::any::TypeId;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use gantz_shared::failure::{Exit, Failure};

/// How alike a word has to be to a command to be taken for a slip (normalised Damerau-Levenshtein): one slip in three
/// letters is.
const ALIKE: f64 = 0.6;

/// The screen of `error`, which `command` has about `words`, the command line with the program first. Errors that have
/// no screen here are clap's own, and end the process.
pub(crate) fn screen(error: &clap::Error, command: &Command, words: &[OsString]) -> Failure {
    own(error, command, words).unwrap_or_else(|| error.exit())
}

fn own(error: &clap::Error, command: &Command, words: &[OsString]) -> Option<Failure> {
    match error.kind() {
        ErrorKind::ValueValidation => bad_value(error),
        ErrorKind::InvalidUtf8 => not_utf8(command, words),
        ErrorKind::InvalidSubcommand => unknown_command(error, command, words),
        ErrorKind::UnknownArgument => hyphen(error, command, words),
        _ => None,
    }
}

/// A value that its parser refuses. The value itself is not repeated here; a parser that knows better does so.
fn bad_value(error: &clap::Error) -> Option<Failure> {
    let why = error.source()?;
    // What clap shows of a flag that may be repeated.
    let arg = error.get(ContextKind::InvalidArg)?.to_string();
    let arg = arg.trim_end_matches("...");
    Some(Failure::new(Exit::Usage, format!("the value of {arg} cannot be used")).words(&why.to_string()))
}

/// clap does not say what it was that is no text.
fn not_utf8(command: &Command, words: &[OsString]) -> Option<Failure> {
    let variable = all(command).flat_map(Command::get_arguments).filter(|arg| !is_path(arg)).find_map(|arg| {
        let variable = arg.get_env()?;
        std::env::var_os(variable).is_some_and(|value| value.to_str().is_none()).then_some(variable)
    });
    let (what, hint) = match variable {
        Some(variable) => {
            let variable = variable.display();
            (format!("the value of {variable}"), format!("setting it again, as text, or `unset {variable}`"))
        }
        None => {
            let place = words.iter().position(|word| word.to_str().is_none())?;
            (format!("argument {place} of this command line"), "the same, written as text".to_owned())
        }
    };
    Some(Failure::new(Exit::Usage, format!("{what} cannot be used")).why("it is not UTF-8").hint(hint))
}

fn unknown_command(error: &clap::Error, command: &Command, words: &[OsString]) -> Option<Failure> {
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let (path, parent) = parent(command, words, unknown);
    let known = || parent.get_subcommands().filter(|command| !command.is_hide_set()).map(Command::get_name);
    let nearest = known()
        .map(|known| (strsim::normalized_damerau_levenshtein(unknown, known), known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match nearest {
        Some((_, nearest)) => format!("{path} {nearest}"),
        None => format!("{path} --help"),
    };
    let names = known().collect::<Vec<_>>().join(", ");
    Some(
        Failure::new(Exit::Usage, format!("{path} has no command `{unknown}`"))
            .why(format!("its commands are {names}"))
            .hint(hint),
    )
}

/// A value that begins with a hyphen, behind a flag that takes one: clap takes it for a flag, and advises `--`, behind
/// which it would not be this flag's.
fn hyphen(error: &clap::Error, command: &Command, words: &[OsString]) -> Option<Failure> {
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else { return None };
    let (flag, arg, value) = words.windows(2).find_map(|pair| {
        // Of letters behind one hyphen, clap names the first.
        let value = pair[1].to_str().filter(|value| value.starts_with(unknown.as_str()))?;
        let flag = pair[0].to_str()?.strip_prefix("--")?;
        let arg = all(command).flat_map(Command::get_arguments).find(|arg| arg.get_long() == Some(flag))?;
        (arg.get_action().takes_values() && !arg.is_require_equals_set()).then_some((flag, arg, value))
    })?;
    // What is hidden in the environment is a secret here, too.
    let is_secret = arg.is_hide_env_values_set();
    if !is_secret && error.get(ContextKind::SuggestedArg).is_some() {
        return None;
    }
    let shown = if is_secret { "VALUE" } else { value };
    Some(
        Failure::new(Exit::Usage, format!("the value of --{flag} is taken for a flag"))
            .why("it begins with a hyphen, and is a word of its own")
            .hint(format!("--{flag}={shown}")),
    )
}

/// The command, by all its names, whose command `unknown` was to be.
fn parent<'a>(command: &'a Command, words: &[OsString], unknown: &str) -> (String, &'a Command) {
    let (mut path, mut parent) = (command.get_name().to_owned(), command);
    for word in words.iter().skip(1).take_while(|word| *word != OsStr::new(unknown)) {
        if let Some(next) = parent.find_subcommand(word) {
            path = format!("{path} {}", next.get_name());
            parent = next;
        }
    }
    (path, parent)
}

/// `command` and all under it.
fn all(command: &Command) -> impl Iterator<Item = &Command> {
    let mut rest = vec![command];
    std::iter::from_fn(move || {
        let next = rest.pop()?;
        rest.extend(next.get_subcommands());
        Some(next)
    })
}

/// Files may be called anything.
fn is_path(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<PathBuf>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let name = Arg::new("name").long("name");
        let secret = Arg::new("secret").long("secret").env("GANTZ_CLI_TEST").hide_env_values(true);
        let auth = Arg::new("auth").long("auth").num_args(0..=1).require_equals(true);
        Command::new("gantz")
            .subcommand(Command::new("run").args([name, secret, auth]))
            .subcommand(Command::new("token").subcommand(Command::new("add")).subcommand(Command::new("list")))
    }

    fn screen(words: &[&str]) -> Option<String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let error = command().try_get_matches_from(&words).expect_err("wrong");
        own(&error, &command(), &words).map(|failure| failure.to_string())
    }

    #[test]
    fn the_nearest_command_is_named() {
        for (words, expected) in [
            (&["gantz", "rnu", "--auth"][..], "try: gantz run\n"),
            (&["gantz", "tokens"], "try: gantz token\n"),
            (&["gantz", "token", "ad"], "try: gantz token add\n"),
            (&["gantz", "frobnicate"], "try: gantz --help\n"),
            (&["gantz", "token", "frobnicate"], "error: gantz token has no command `frobnicate`\n"),
        ] {
            let screen = screen(words).expect("a screen");
            assert!(screen.contains(expected), "{words:?}: {screen}");
        }
    }

    #[test]
    fn a_value_with_a_hyphen_goes_behind_an_equals_sign() {
        let hint = |words: &[&str]| screen(words).expect("a screen");
        assert!(hint(&["gantz", "run", "--name", "-abc"]).contains("try: --name=-abc\n"));
        let secret = hint(&["gantz", "run", "--secret", "--nam"]);
        assert!(secret.contains("try: --secret=VALUE\n") && !secret.contains("nam"), "{secret}");
        // clap knows better what these were to be.
        for words in [&["gantz", "run", "--name", "--auht"], &["gantz", "run", "--auth", "-a"]] {
            assert_eq!(screen(words), None, "{words:?}");
        }
    }
}
