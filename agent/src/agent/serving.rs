//! A session that serves, and one that has been left.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gantz_shared::control::Welcome;
use gantz_transport::Connection;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::tunnel::{Carried, Ended, Session, Signs, Work};

/// What is known of the session that serves.
pub(super) struct Current {
    welcome: watch::Receiver<Welcome>,
    pub(super) carried: Carried,
    pub(super) connection: Connection,
    pub(super) signs: Signs,
    /// Nothing gets through it any more, and that was told.
    pub(super) is_silent: AtomicBool,
}

impl Current {
    pub(super) fn welcome(&self) -> Welcome {
        self.welcome.borrow().clone()
    }
}

/// Lets a session serve; its task ends with it.
pub(super) fn start(
    session: Session,
    work: &Arc<Work>,
    Signs { stop, cut, .. }: &Signs,
) -> (Current, AbortOnDropHandle<Ended>) {
    let signs = Signs { stop: stop.clone(), cut: cut.clone(), ..Signs::default() };
    let (welcome, carried) = (session.welcome(), session.carried().clone());
    let (connection, is_silent) = (session.connection(), AtomicBool::new(false));
    let current = Current { welcome, carried, connection, signs: signs.clone(), is_silent };
    (current, AbortOnDropHandle::new(tokio::spawn(session.serve(work.clone(), signs))))
}

/// Has let go of a session: it ends when what was begun there has ended.
pub(super) fn leave(left: &mut JoinSet<()>, current: &Current, mut serving: AbortOnDropHandle<Ended>) {
    let signs = current.signs.clone();
    left.spawn(async move {
        // A relay that leaves closes the connection itself: it may still have requests for it. One that goes on after all,
        // because nothing has taken its place, would keep it for ever.
        let by_relay = signs.leaves_within.get().copied().unwrap_or_default();
        let ended = match tokio::time::timeout(by_relay, &mut serving).await {
            Ok(ended) => ended,
            Err(_) => {
                signs.moved.cancel();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::error!(%error, "the task of a tunnel that was left failed");
        }
    });
}
