//! From the arguments of this process to its exit code. Whatever goes wrong on the way is a screen on stderr: what
//! happened, why, and what to try.

use std::io::Write;
use std::panic;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use clap_complete::Shell;
use gantz_shared::failure::{Exit, Failure};

use crate::logs::check_level;
use crate::usage;

/// Parses the command line of this process and runs it. `run` is also given what clap found, which knows where each
/// value comes from.
#[must_use]
pub fn main<C>(program: &'static str, run: fn(C, &ArgMatches) -> Result<Exit, Failure>) -> ExitCode
where
    C: CommandFactory + FromArgMatches,
{
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        complain(&Failure::panicked(program, panic));
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            usual(panic);
        }
    }));
    let all = || {
        let words: Vec<_> = std::env::args_os().collect();
        let parsed = command::<C>()
            .try_get_matches_from(&words)
            .and_then(|matches| C::from_arg_matches(&matches).map(|command| (command, matches)));
        let (command, matches) = parsed.map_err(|error| usage::screen(&error, &C::command(), &words))?;
        check_level(&matches)?;
        run(command, &matches)
    };
    match panic::catch_unwind(all) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(failure)) => {
            complain(&failure);
            failure.exit.into()
        }
        Err(_) => Exit::Failed.into(),
    }
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

fn complain(failure: &Failure) {
    // There is nowhere left to report that stderr is gone.
    let _ = write!(std::io::stderr(), "{failure}");
}
