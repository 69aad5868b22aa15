//! The command line of `gantz-relay`: flags and environment to a [`crate::Config`] and bound sockets.

mod serve;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use gantz_shared::failure::Exit;
pub use serve::ServeArgs;

/// The relay of gantz: answers on public names and carries each request to the agent that holds the name.
#[derive(Debug, Parser)]
#[command(name = "gantz-relay", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the relay: HTTPS for the public on TCP, QUIC for agents on UDP, on the same port number
    Serve(Box<ServeArgs>),
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
        Command::Serve(args) => serve::serve(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "gantz-relay", &mut std::io::stdout());
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
