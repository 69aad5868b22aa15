//! The command line of `gantz-relay`: flags, environment and a file to a [`crate::Config`] and bound sockets.

mod acme;
mod args;
mod backup;
mod check;
mod contradictions;
mod file;
mod health;
mod key;
mod limits;
mod names;
mod open_files;
mod otlp;
mod serve;
mod settings;
mod state_folder;
mod tickets;

use std::process::ExitCode;

pub use args::ServeArgs;
use clap::{Parser, Subcommand};
use gantz_cli::Program;

/// It belongs to no flag, so that nothing else names it.
const LOG: &str = "Environment:
  GANTZ_RELAY_LOG   what is logged, in place of what -v says: a filter of Rust's
                    tracing crate, such as info,gantz_relay=debug";

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
    #[command(after_long_help = LOG)]
    Serve(Box<ServeArgs>),
    /// Look at what `serve` would run with, without running it
    #[command(subcommand)]
    Config(check::ConfigCommand),
    /// Agents' access keys
    Key(key::KeyArgs),
    /// The names that are reserved for access keys
    Names(names::NamesArgs),
    /// The tickets that bring agents back to their names
    #[command(subcommand)]
    Tickets(tickets::TicketsCommand),
    /// Put what this relay is itself by into one file; the relay may run
    Backup(backup::BackupArgs),
    /// Make a state folder of a backup; there must not be one yet
    Restore(backup::RestoreArgs),
    /// Ask the relay of this machine whether it is ready: exit code 0, or 1 with what it lacks
    Health(health::HealthArgs),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    gantz_cli::main(&Program {
        name: "gantz-relay",
        variables: "GANTZ_RELAY_",
        sources: file::sources,
        run: |cli: Cli, said| match cli.command {
            Command::Serve(args) => serve::run(*args, said),
            Command::Config(check::ConfigCommand::Check(args)) => check::run(*args, said),
            Command::Key(args) => key::run(args),
            Command::Names(args) => names::run(args),
            Command::Tickets(command) => tickets::run(&command),
            Command::Backup(args) => backup::back_up(&args),
            Command::Restore(args) => backup::bring_back(&args),
            Command::Health(args) => health::run(&args),
            Command::Completions { shell } => gantz_cli::completions::<Cli>("gantz-relay", shell),
        },
    })
}
