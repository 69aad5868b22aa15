//! The command line of `gantz`: flags, environment and files to a [`crate::Config`], and what is printed.

mod args;
mod failures;
mod file;
mod printer;
mod run;
mod snippet;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use gantz_shared::failure::Exit;

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
  gantz run --auth --demo                      a small demo server, nothing else needed")]
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
    let result = match Cli::parse().command {
        Command::Run(args) => run::run(*args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "gantz", &mut std::io::stdout());
            Ok(())
        }
    };
    match result {
        Ok(()) => Exit::Fine.into(),
        Err(failure) => {
            // There is nowhere left to report that stderr is gone.
            let _ = write!(std::io::stderr(), "{failure}");
            failure.exit.into()
        }
    }
}
