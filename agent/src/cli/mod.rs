//! The command line of `gantz`: flags, environment and files to a [`crate::Config`], and what is printed.
//!
//! ```text
//! flags, environment, files ─▶ args ─▶ contradictions ─▶ profile ─▶ run
//! ```

mod args;
mod call_log;
mod contradictions;
mod credentials;
mod failures;
mod file;
mod inside;
mod kept;
mod lifetime;
mod login;
mod logout;
mod printer;
mod profile;
mod run;
#[cfg(unix)]
mod running;
mod snippet;
#[cfg(unix)]
mod status;
#[cfg(unix)]
mod token;

use std::process::ExitCode;

use args::RunArgs;
use clap::{Parser, Subcommand};
use gantz_cli::Program;

const EXAMPLES: &str = "Examples:
  gantz run --auth 8090                        a server on port 8090
  gantz run --auth http://127.0.0.1:8090/sse   a full URL says which endpoint
  gantz run --auth --demo                      a small demo server of its own";

/// It belongs to no flag, so that nothing else names it.
const LOG: &str = "Environment:
  GANTZ_LOG   what is logged, in place of what -v says: a filter of Rust's
              tracing crate, such as info,gantz_agent=debug";

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
    #[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{LOG}"))]
    Run(Box<RunArgs>),
    /// Remember a relay and the access key for it, once they are tried out
    Login(login::LoginArgs),
    /// Forget a relay and the access key for it
    Logout(logout::LogoutArgs),
    /// Add, list, rotate and revoke the tokens of a running tunnel
    #[cfg(unix)]
    Token(token::TokenArgs),
    /// List the running tunnels of this machine
    #[cfg(unix)]
    Status(status::StatusArgs),
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
        name: "gantz",
        variables: "GANTZ_",
        sources: file::sources,
        run: |cli: Cli, said| match cli.command {
            Command::Run(args) => run::run(*args, &said),
            Command::Login(args) => login::run(args),
            Command::Logout(args) => logout::run(args),
            #[cfg(unix)]
            Command::Token(args) => token::run(args),
            #[cfg(unix)]
            Command::Status(args) => status::run(&args),
            Command::Completions { shell } => gantz_cli::completions::<Cli>("gantz", shell),
        },
    })
}
