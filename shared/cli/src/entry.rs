//! From the arguments of this process to its exit code. Whatever goes wrong on the way is a screen on stderr: what
//! happened, why, and what to try.

use std::io::Write;
use std::panic;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use clap_complete::Shell;
use gantz_shared::failure::{Exit, Failure};

use crate::file::{Heard, Sources};
use crate::logs::check_level;
use crate::said::Said;
use crate::usage;

/// A program: its commands, the files that they hear, and what they do.
#[derive(Debug)]
pub struct Program<C> {
    /// What it is called.
    pub name: &'static str,
    /// What the variables of its environment begin with.
    pub variables: &'static str,
    /// Which files the command of these names hears, with what clap found of it so far, whatever is wrong with it.
    pub sources: fn(&[&str], &ArgMatches) -> Sources,
    /// Runs it. It is also told where each setting comes from.
    pub run: fn(C, Said) -> Result<Exit, Failure>,
}

/// Parses the command line of this process and runs it.
#[must_use]
pub fn main<C>(program: &Program<C>) -> ExitCode
where
    C: CommandFactory + FromArgMatches,
{
    let usual = panic::take_hook();
    let name = program.name;
    panic::set_hook(Box::new(move |panic| {
        complain(&Failure::panicked(name, panic));
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            usual(panic);
        }
    }));
    match panic::catch_unwind(|| parse(program).and_then(|(command, said)| (program.run)(command, said))) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(failure)) => {
            complain(&failure);
            failure.exit.into()
        }
        Err(_) => Exit::Failed.into(),
    }
}

/// The command of this process, and who has said what.
fn parse<C>(program: &Program<C>) -> Result<(C, Said), Failure>
where
    C: CommandFactory + FromArgMatches,
{
    let words: Vec<_> = std::env::args_os().collect();
    let mut command = command::<C>();
    let (mut heard, mut path) = (Heard::default(), Vec::new());
    let mut is_lenient = false;
    // Help and versions are for clap alone, and so is what it cannot make anything of.
    if let Ok(early) = command.clone().ignore_errors(true).try_get_matches_from(&words) {
        let (names, matches) = leaf(&early);
        let sources = (program.sources)(&names, matches);
        path = names.iter().map(|name| (*name).to_owned()).collect();
        if let Some(typed) = below(&command, &names) {
            heard = Heard::by(typed, matches, &sources);
        }
        is_lenient = sources.is_lenient;
        command = heard.applied(command, &names);
    }
    let parsed = command
        .try_get_matches_from(&words)
        .and_then(|matches| C::from_arg_matches(&matches).map(|command| (command, matches)));
    let (parsed, matches) = parsed.map_err(|error| usage::screen(&error, &C::command(), &words))?;
    let names: Vec<_> = path.iter().map(String::as_str).collect();
    let matches = leaf(&matches).1;
    if !is_lenient {
        check_level(matches)?;
        if let Some(first) = heard.wrong.first() {
            return Err(first.clone());
        }
    }
    // As it was written, with what is a secret marked so.
    let described = C::command();
    let mut said = below(&described, &names)
        .map(|described| Said::new(described, matches, &heard.places, program.variables))
        .unwrap_or_default();
    (said.wrong, said.unusable, said.is_partial) = (heard.wrong, heard.unusable, heard.is_partial);
    Ok((parsed, said))
}

/// The command that was typed: the names that lead to it, and what was found of it.
fn leaf(matches: &ArgMatches) -> (Vec<&str>, &ArgMatches) {
    let (mut names, mut matches) = (Vec::new(), matches);
    while let Some((name, inner)) = matches.subcommand() {
        names.push(name);
        matches = inner;
    }
    (names, matches)
}

/// The command that these names lead to.
fn below<'a>(command: &'a clap::Command, names: &[&str]) -> Option<&'a clap::Command> {
    names.iter().try_fold(command, |command, name| command.find_subcommand(name))
}

/// Prints the completion script of `shell`.
///
/// # Errors
/// stdout cannot be written.
pub fn completions<C: CommandFactory>(program: &str, shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut C::command(), program, &mut script);
    print(&script)
}

/// Writes to stdout what the command was called for.
///
/// # Errors
/// stdout cannot be written.
pub fn print(bytes: &[u8]) -> Result<Exit, Failure> {
    match std::io::stdout().write_all(bytes) {
        // Who reads has had enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Fine),
        written => written
            .map(|()| Exit::Fine)
            .map_err(|error| Failure::new(Exit::Failed, "cannot write to the standard output").why(error)),
    }
}

/// The command line; a variable of the environment that is empty is none, as compose files leave them.
fn command<C: CommandFactory>() -> clap::Command {
    fn tidy(command: clap::Command) -> clap::Command {
        let is_empty = |arg: &clap::Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        command
            .mut_args(|arg| if is_empty(&arg) { arg.env(Resettable::Reset) } else { arg }.hide_env_values(true))
            .mut_subcommands(tidy)
    }
    tidy(C::command())
}

/// Shows a failure on stderr.
pub fn complain(failure: &Failure) {
    // There is nowhere left to report that stderr is gone.
    let _ = write!(std::io::stderr(), "{failure}");
}
