//! What an agent opens, one after another, until its tunnel is open again.

use std::sync::atomic::{AtomicU64, Ordering};

use gantz_shared::control::{Run, Secret};
use tokio::sync::watch;

use super::pauses::Pauses;
use super::serving::Current;
use crate::config::{BACKOFF_FIRST, BACKOFF_MAX, Config, Transports};
use crate::tokens::Book;
use crate::tunnel::{self, OpenError, Opening, Session, Whereabouts};

/// What all that this agent opens has in common, and how much that is.
pub(super) struct Openings {
    run: String,
    count: AtomicU64,
    /// Whether one is on its way, beside the connection that the tunnel has.
    moving: watch::Sender<bool>,
}

impl Openings {
    pub(super) fn new() -> Self {
        Self {
            run: format!("{:032x}", rand::random::<u128>()),
            count: AtomicU64::new(0),
            moving: watch::Sender::new(false),
        }
    }

    /// How many there have been.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// One is on its way until what is given here is dropped.
    pub(super) fn moving(&self) -> Moving<'_> {
        self.moving.send_replace(true);
        Moving(self)
    }

    /// Whether one is on its way, which the relay may have taken up.
    pub(super) fn is_moving(&self) -> bool {
        *self.moving.borrow()
    }

    /// Waits until none is. Cancel-safe.
    pub(super) async fn settled(&self) {
        // An error is the end of the sender, which is `self`.
        let _ = self.moving.subscribe().wait_for(|moving| !moving).await;
    }

    /// One more, newer than all before.
    pub(super) fn next(&self, resume: Option<Secret>, moves: bool, transports: Transports) -> Opening {
        let run = Run { id: self.run.clone(), opening: self.count.fetch_add(1, Ordering::Relaxed) };
        Opening { resume, moves, run, transports }
    }
}

/// See [`Openings::moving`].
pub(super) struct Moving<'a>(&'a Openings);

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        self.0.moving.send_replace(false);
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
