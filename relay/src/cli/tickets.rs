//! `gantz-relay tickets`: what an operator does with the key of the resume tickets.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gantz_shared::failure::{Exit, Failure};

use super::settings::default_state_dir;
use crate::tunnels;

#[derive(Debug, Subcommand)]
pub(super) enum TicketsCommand {
    /// Sign with a new key. A relay that runs takes it at once and gives its agents new tickets; those of agents that
    /// are away stay good until the next rotation
    Rotate(Where),
}

#[derive(Debug, Args)]
pub(super) struct Where {
    /// Folder for what outlives a restart [default: gantz-relay in the user's state folder]
    #[arg(long, env = "GANTZ_RELAY_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub(super) fn run(command: &TicketsCommand) -> Result<Exit, Failure> {
    let TicketsCommand::Rotate(Where { state_dir }) = command;
    let dir = match state_dir {
        Some(dir) => dir.clone(),
        None => default_state_dir()?,
    };
    let rotated = tunnels::rotate_tickets(&dir).map_err(|error| {
        Failure::new(Exit::Failed, "the tickets keep their key").why(error).hint("the user that the relay runs as")
    })?;
    if !rotated {
        return Err(Failure::new(Exit::Failed, format!("no relay has kept its state in {}", dir.display()))
            .why("there is no ticket.key in it")
            .hint("--state-dir with the folder that `gantz-relay serve` uses"));
    }
    gantz_cli::print(b"The tickets have a new key. Those of the last one are good until the next rotation.\n")
}
