//! The command line of `gantz-relay`: flags and environment to a [`crate::Config`] and bound sockets.

mod args;
mod serve;

use std::process::ExitCode;

pub use args::ServeArgs;
use clap::{Parser, Subcommand};

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
    gantz_cli::main("gantz-relay", |cli: Cli, _| match cli.command {
        Command::Serve(args) => serve::serve(&args),
        Command::Completions { shell } => gantz_cli::completions::<Cli>("gantz-relay", shell),
    })
}
