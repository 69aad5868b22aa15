//! What an agent opens, one after another, until its tunnel is open again.

use std::sync::atomic::{AtomicU64, Ordering};

use gantz_shared::control::{Run, Secret};

use super::pauses::Pauses;
use super::serving::Current;
use crate::config::{BACKOFF_FIRST, BACKOFF_MAX, Config, Transports};
use crate::tokens::Book;
use crate::tunnel::{self, OpenError, Opening, Session, Whereabouts};

/// What all that this agent opens has in common, and how much that is.
pub(super) struct Openings {
    run: String,
    count: AtomicU64,
}

impl Openings {
    pub(super) fn new() -> Self {
        Self { run: format!("{:032x}", rand::random::<u128>()), count: AtomicU64::new(0) }
    }

    /// How many there have been.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// One more, newer than all before.
    pub(super) fn next(&self, resume: Option<Secret>, moves: bool, transports: Transports) -> Opening {
        let run = Run { id: self.run.clone(), opening: self.count.fetch_add(1, Ordering::Relaxed) };
        Opening { resume, moves, run, transports }
    }
}

/// Tries until the tunnel is open again, or the relay refuses for good.
pub(super) async fn reopen(
    config: &Config,
    openings: &Openings,
    tokens: &Book,
    current: &Current,
) -> Result<Session, OpenError> {
    let mut pauses = Pauses::new(BACKOFF_FIRST, BACKOFF_MAX);
    let mut whereabouts = Whereabouts::new(current.connection.remote_address());
    loop {
        tokio::select! {
            () = tokio::time::sleep(pauses.next()) => {}
            change = whereabouts.changed() => {
                tracing::debug!(change, "tried at once");
                pauses = Pauses::new(BACKOFF_FIRST, BACKOFF_MAX);
            }
        }
        let opening = openings.next(Some(current.welcome().resume), false, config.transports);
        match tunnel::open(config, tokens, &opening).await {
            Ok(session) => return Ok(session),
            Err(error) if error.is_final() => return Err(error),
            Err(error) => tracing::debug!(%error, "relay not reached"),
        }
    }
}
