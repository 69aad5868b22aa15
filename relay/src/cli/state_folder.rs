//! The state folder, where a command does not serve but changes what is in it.

use std::path::PathBuf;

use clap::Args;
use gantz_shared::failure::{Exit, Failure};

use super::settings::default_state_dir;
use crate::access::{AccessError, Database, FILE};
use crate::state;

/// Where it is.
#[derive(Debug, Args)]
pub(super) struct StateFolder {
    /// Folder for what outlives a restart [default: gantz-relay in the user's state folder]
    #[arg(long, env = "GANTZ_RELAY_STATE_DIR", value_name = "DIR", global = true)]
    state_dir: Option<PathBuf>,
}

impl StateFolder {
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        match &self.state_dir {
            Some(dir) => Ok(dir.clone()),
            None => default_state_dir(),
        }
    }

    /// Keys and names; made when no relay has run yet.
    pub(super) fn access(&self) -> Result<Database, Failure> {
        let dir = self.path()?;
        let path = dir.join(FILE);
        let opened = state::create(&dir).map_err(AccessError::from).and_then(|()| Database::open(&path));
        opened.map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot use {}", path.display()))
                .why(error)
                .hint("the user that the relay runs as, or --state-dir with the folder that `gantz-relay serve` uses")
        })
    }
}

/// A change that was not made.
pub(super) fn failed(error: &AccessError) -> Failure {
    let failure = |exit| Failure::new(exit, "nothing was changed").why(error);
    match error {
        AccessError::UnknownKey(_) => failure(Exit::Failed).hint("an id or a label that `gantz-relay key list` shows"),
        AccessError::BadLabel => failure(Exit::Usage).hint("--label alice"),
        _ => failure(Exit::Failed),
    }
}
