//! The requests of a session that are in flight.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::ready;

use gantz_transport::{Connection, Dropped, Lost};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{Work, request};
use crate::config::MOVED_IDLE;

/// See the module's head. Dropped, it ends them.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<JoinSet<()>>);

impl Requests {
    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes every request of the connection until that is lost.
    pub(super) async fn accept(&self, connection: &Connection, work: &Arc<Work>) -> Lost {
        loop {
            let (send, recv) = match connection.accept(Dropped::UPSTREAM).await {
                Ok(stream) => stream,
                Err(lost) => return lost,
            };
            let mut tasks = self.tasks();
            // Those that are over are let go of here: to be woken by each would cost as much as to take it did.
            reap(&mut tasks);
            // Boxed, as a task is moved six times on its way in and out.
            tasks.spawn(Box::pin(request::serve(send, recv, work.clone())));
        }
    }

    /// Waits until the tunnel has moved, and nothing has been in flight for [`MOVED_IDLE`]: the relay may just have chosen
    /// this connection for one more.
    pub(super) async fn end_after(&self, moved: &CancellationToken) {
        moved.cancelled().await;
        tokio::time::sleep(MOVED_IDLE).await;
        while !self.tasks().is_empty() {
            self.finish().await;
            tokio::time::sleep(MOVED_IDLE).await;
        }
    }

    /// Waits until none is left.
    async fn finish(&self) {
        poll_fn(|cx| {
            while let Some(done) = ready!(self.tasks().poll_join_next(cx)) {
                tell(done);
            }
            ().into()
        })
        .await;
    }

    /// Those in flight.
    pub(super) fn take(&self) -> JoinSet<()> {
        std::mem::take(&mut self.tasks())
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        reap(&mut self.tasks());
    }
}

/// Lets go of those that are over.
fn reap(tasks: &mut JoinSet<()>) {
    while let Some(done) = tasks.try_join_next() {
        tell(done);
    }
}

/// A request is over; what went wrong in it was told, but where its task failed.
pub(super) fn tell(done: Result<(), JoinError>) {
    if let Err(error) = done {
        tracing::error!(%error, "request task failed");
    }
}
