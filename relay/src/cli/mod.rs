//! The command line of `gantz-relay`: flags and environment to a [`crate::Config`] and bound sockets.

mod acme;
mod args;
mod contradictions;
mod key;
mod limits;
mod names;
mod open_files;
mod serve;
mod state_folder;
mod tickets;

use std::process::ExitCode;

pub use args::ServeArgs;
use clap::{Parser, Subcommand};

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
    /// Agents' access keys
    Key(key::KeyArgs),
    /// The names that are reserved for access keys
    Names(names::NamesArgs),
    /// The tickets that bring agents back to their names
    #[command(subcommand)]
    Tickets(tickets::TicketsCommand),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    gantz_cli::main("gantz-relay", |cli: Cli, matches| match cli.command {
        Command::Serve(mut args) => {
            contradictions::settle(&mut args, matches)?;
            serve::serve(&args)
        }
        Command::Key(args) => key::run(args),
        Command::Names(args) => names::run(args),
        Command::Tickets(command) => tickets::run(&command),
        Command::Completions { shell } => gantz_cli::completions::<Cli>("gantz-relay", shell),
    })
}
