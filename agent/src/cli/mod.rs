//! The command line of `gantz`: flags, environment and files to a [`crate::Config`], and what is printed.

mod args;
mod credentials;
mod failures;
mod file;
mod inside;
mod printer;
mod run;
mod snippet;
mod stop;

use std::error::Error;
use std::io::Write;
use std::panic;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use gantz_shared::failure::{Exit, Failure};

use args::RunArgs;

/// gantz gives the MCP server on your laptop an authenticated public HTTPS URL.
#[derive(Debug, Parser)]
#[command(name = "gantz", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open a tunnel to a local server and print its URL and token
    #[command(after_help = "Examples:
  gantz run --auth 8090                        a server on port 8090
  gantz run --auth http://127.0.0.1:8090/sse   a full URL says which endpoint
  gantz run --auth --demo                      a small demo server of its own")]
    Run(Box<RunArgs>),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        complain(&Failure::panicked("gantz", panic));
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            usual(panic);
        }
    }));
    match panic::catch_unwind(run) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(failure)) => {
            complain(&failure);
            failure.exit.into()
        }
        Err(_) => Exit::Failed.into(),
    }
}

fn run() -> Result<Exit, Failure> {
    let parsed = command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed.map_err(|error| usage(&error))?.command {
        Command::Run(args) => run::run(*args),
        Command::Completions { shell } => completions(shell),
    }
}

/// A value that its parser refuses. The value itself is not repeated here, it may be a secret; a parser that knows
/// better does so. All other errors are clap's own screens.
fn usage(error: &clap::Error) -> Failure {
    match (error.kind(), error.get(ContextKind::InvalidArg), error.source()) {
        (ErrorKind::ValueValidation, Some(arg), Some(why)) => {
            Failure::new(Exit::Usage, format!("the value of {arg} cannot be used")).words(&why.to_string())
        }
        _ => error.exit(),
    }
}

/// The command line; a variable of the environment that is empty is none, as compose files leave them.
fn command() -> clap::Command {
    fn tidy(command: clap::Command) -> clap::Command {
        let is_empty = |arg: &clap::Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        command
            .mut_args(|arg| if is_empty(&arg) { arg.env(Resettable::Reset) } else { arg }.hide_env_values(true))
            .mut_subcommands(tidy)
    }
    tidy(Cli::command())
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "gantz", &mut script);
    match std::io::stdout().write_all(&script) {
        // Who reads has had enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Fine),
        written => written
            .map(|()| Exit::Fine)
            .map_err(|error| Failure::new(Exit::Failed, "cannot write the script").why(error)),
    }
}

fn complain(failure: &Failure) {
    // There is nowhere left to report that stderr is gone.
    let _ = write!(std::io::stderr(), "{failure}");
}
