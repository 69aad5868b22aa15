//! From one connection to the next, while the tunnel is open.

use std::sync::atomic::Ordering;

use super::Event;
use super::opening::Openings;
use super::pauses::Pauses;
use super::serving::Current;
use crate::config::{BACKOFF_FIRST, BACKOFF_MAX, Config, QUIC_AGAIN_MAX, Transports};
use crate::tokens::Book;
use crate::tunnel::{self, OpenError, Session, Transport, Whereabouts, Work, silent};

/// A connection to move to, once there is a reason for one and it has come about: the relay is going to close this one, or
/// nothing gets through it any more; or the tunnel goes over TCP, and the network is another, or QUIC gets through again.
/// Cancel-safe.
///
/// # Errors
/// Another agent has the tunnel now.
pub(super) async fn better(
    config: &Config,
    openings: &Openings,
    work: &Work,
    current: &Current,
) -> Result<Session, OpenError> {
    let is_second_best = current.carried.by == Transport::Tcp && config.transports == Transports::Auto;
    let quic_again = async {
        let mut pauses = Pauses::new(config.quic_again, QUIC_AGAIN_MAX);
        loop {
            tokio::time::sleep(pauses.next()).await;
            if let Some(moved) = move_over(config, openings, &work.tokens, current, Transports::Quic).await {
                return moved;
            }
        }
    };
    let mut whereabouts = Whereabouts::new(current.connection.remote_address());
    let has_to_move = async {
        tokio::select! {
            () = current.signs.leaving.cancelled() => {}
            // It cannot go on from another address; what was begun there may.
            change = whereabouts.changed(), if current.carried.by == Transport::Tcp => {
                tracing::debug!(change, "the tunnel gets another connection");
            }
            () = silent(&current.connection) => {
                current.is_silent.store(true, Ordering::Relaxed);
                (work.observer)(&Event::Reconnecting { reason: "the relay does not answer".to_owned() });
            }
        }
    };
    tokio::select! {
        moved = quic_again, if is_second_best => return moved,
        // One thing is opened after another: the relay keeps the newest.
        () = has_to_move => {}
    }
    let mut pauses = Pauses::new(BACKOFF_FIRST, BACKOFF_MAX);
    loop {
        if let Some(moved) = move_over(config, openings, &work.tokens, current, config.transports).await {
            return moved;
        }
        tokio::time::sleep(pauses.next()).await;
    }
}

/// None where it may come about with another try.
async fn move_over(
    config: &Config,
    openings: &Openings,
    tokens: &Book,
    current: &Current,
    transports: Transports,
) -> Option<Result<Session, OpenError>> {
    let _moving = openings.moving();
    let opening = openings.next(Some(current.welcome().resume), true, transports);
    match tunnel::open(config, tokens, &opening).await {
        Err(error) if !matches!(error, OpenError::Replaced) => {
            tracing::debug!(%error, "not moved");
            None
        }
        opened => Some(opened),
    }
}
