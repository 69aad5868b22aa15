//! A tunnel is kept open: over one connection, and then the next.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::task::AbortOnDropHandle;

use super::Event;
use super::moving::better;
use super::opening::{Openings, reopen};
use super::serving::{leave, start};
use crate::config::Config;
use crate::tunnel::{Carried, Ended, OpenError, Session, Signs, Work};

/// What comes next for a tunnel that is open.
enum Next {
    Ended(Result<Ended, JoinError>),
    /// Another connection, to move to, and what still serves over the one that the tunnel has.
    Session(Box<Result<Session, OpenError>>, Option<AbortOnDropHandle<Ended>>),
}

/// Serves until the agent is told to stop.
///
/// # Errors
/// The relay refuses to have it back.
pub(super) async fn keep(
    mut config: Config,
    openings: Openings,
    session: Session,
    work: Arc<Work>,
    signs: Signs,
    carries: watch::Sender<Carried>,
) -> Result<(), OpenError> {
    let (mut current, mut serving) = start(session, &work, &signs);
    // What the tunnel has moved away from, and what still runs there.
    let mut left = JoinSet::new();
    loop {
        // The wish is granted: from here on the ticket brings the name back, and another's claim to it does not stop us.
        config.name = Some(current.welcome().name.to_string());
        let opened = openings.count();
        let next = {
            // Not begun again when something ends that the tunnel has left.
            let mut better = pin!(better(&config, &openings, &work, &current));
            loop {
                tokio::select! {
                    // First, as the relay may have sent callers there by now.
                    biased;
                    session = &mut better => break Next::Session(Box::new(session), Some(serving)),
                    ended = &mut serving => {
                        if !openings.is_moving() || matches!(ended, Ok(Ended::Stopped)) {
                            break Next::Ended(ended);
                        }
                        (work.observer)(&Event::Reconnecting { reason: why(&ended) });
                        current.is_silent.store(true, Ordering::Relaxed);
                        break tokio::select! {
                            biased;
                            session = &mut better => Next::Session(Box::new(session), None),
                            () = openings.settled() => Next::Ended(ended),
                            () = signs.stop.cancelled() => Next::Ended(ended),
                        };
                    }
                    Some(_) = left.join_next() => {}
                }
            }
        };
        let reason = match next {
            Next::Ended(Ok(Ended::Stopped)) => {
                left.join_all().await;
                return Ok(());
            }
            Next::Ended(Ok(Ended::Replaced)) if openings.count() == opened => return Err(OpenError::Replaced),
            Next::Ended(ended) => why(&ended),
            Next::Session(session, over) => {
                let next = start((*session)?, &work, &signs);
                if let Some(over) = over {
                    leave(&mut left, &current, over);
                }
                serving = next.1;
                let was_silent = current.is_silent.load(Ordering::Relaxed);
                current = next.0;
                carries.send_replace(current.carried.clone());
                let (welcome, carried) = (current.welcome(), current.carried.clone());
                (work.observer)(&if was_silent {
                    Event::Reconnected(welcome, carried)
                } else {
                    Event::Moved(welcome, carried)
                });
                continue;
            }
        };
        if !current.is_silent.load(Ordering::Relaxed) {
            (work.observer)(&Event::Reconnecting { reason });
        }
        let reopened = reopen(&config, &openings, &work.tokens, &current);
        let session = match signs.stop.run_until_cancelled(reopened).await {
            None => return Ok(()),
            Some(reopened) => reopened?,
        };
        (current, serving) = start(session, &work, &signs);
        carries.send_replace(current.carried.clone());
        (work.observer)(&Event::Reconnected(current.welcome(), current.carried.clone()));
    }
}

/// What is said of a connection that has ended.
fn why(ended: &Result<Ended, JoinError>) -> String {
    match ended {
        Ok(Ended::Stopped) => "it was stopped".to_owned(),
        // By another agent, or by what this one was about to move to: the relay knows.
        Ok(Ended::Replaced) => "a newer tunnel of its name was opened".to_owned(),
        Ok(Ended::Lost(reason)) => reason.clone(),
        // It was aborted with its runtime, or there is a mistake in it.
        Err(error) => format!("the tunnel's task failed: {error}"),
    }
}
