//! Keeps a tunnel's file as the tunnel is, for as long as it runs.

use std::io;
use std::sync::Arc;

use gantz_shared::control::Welcome;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::{Kept, Place};
use crate::tokens::{Book, Snapshot};

/// Hears, once, that the file cannot be written; called from a task, so it must not block.
pub type Warn = Arc<dyn Fn(&str) + Send + Sync>;

/// Which tokens are kept.
#[derive(Debug, Clone)]
pub enum Tokens {
    /// Those of the tunnel.
    Of(Arc<Book>),
    /// Those of before, for a tunnel that is open to everybody for once.
    AsTheyWere(Snapshot),
}

/// See the module's head. Dropped, it no longer writes; what it has written stands.
#[derive(Debug)]
pub struct Keeper {
    /// The newest change of the book that has been written, or could not be.
    done: watch::Receiver<u64>,
    _writing: AbortOnDropHandle<()>,
}

impl Keeper {
    /// Writes the file of a tunnel that was opened with `welcome`, and then again with every change. When this returns,
    /// the file is as it can be.
    pub async fn start(
        place: Place,
        welcome: Welcome,
        reopened: watch::Receiver<Option<Welcome>>,
        tokens: Tokens,
        warn: Warn,
    ) -> Self {
        let (tell, done) = watch::channel(0);
        let mut writing = Writing { place, welcome, reopened, tokens, warn: Some(warn), kept: 0, tell };
        let mut changes = match &writing.tokens {
            Tokens::Of(book) => Some(book.changes()),
            Tokens::AsTheyWere(_) => None,
        };
        writing.write().await;
        let task = tokio::spawn(async move {
            loop {
                let change = async {
                    match &mut changes {
                        Some(changes) => changes.next().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = change => {}
                    // An error is the end of the agent.
                    reopened = writing.reopened.changed() => if reopened.is_err() { return },
                }
                writing.write().await;
            }
        });
        Self { done, _writing: AbortOnDropHandle::new(task) }
    }

    /// Waits until a change of the book is in the file, or was said not to be. Cancel-safe.
    pub async fn has(&self, generation: u64) {
        // An error is the end of the task; then nothing more is written.
        let _ = self.done.clone().wait_for(|done| *done >= generation).await;
    }
}

struct Writing {
    place: Place,
    welcome: Welcome,
    reopened: watch::Receiver<Option<Welcome>>,
    tokens: Tokens,
    /// Gone once it was told.
    warn: Option<Warn>,
    /// The change of the book that the file has.
    kept: u64,
    tell: watch::Sender<u64>,
}

impl Writing {
    async fn write(&mut self) {
        if let Some(newer) = &*self.reopened.borrow_and_update() {
            self.welcome = newer.clone();
        }
        let (name, ticket) = (self.welcome.name.clone(), self.welcome.resume.clone());
        let tokens = match &self.tokens {
            Tokens::Of(book) => book.snapshot(),
            Tokens::AsTheyWere(snapshot) => snapshot.clone(),
        };
        let generation = tokens.generation;
        let (place, is_stale) = (self.place.clone(), generation > self.kept);
        let kept = Kept { name, ticket, tokens };
        let written = tokio::task::spawn_blocking(move || {
            let written = place.write(&kept);
            // It would let in again who has been revoked since.
            if written.is_err()
                && is_stale
                && let Err(error) = place.forget()
            {
                tracing::debug!(%error, "what was kept is not removed");
            }
            written
        });
        match written.await.map_err(io::Error::other).flatten() {
            Ok(()) => self.kept = generation,
            Err(error) => {
                tracing::debug!(%error, "tunnel not kept");
                if let Some(warn) = self.warn.take() {
                    warn(&format!("{}: {error}", self.place.file().display()));
                }
            }
        }
        self.tell.send_replace(generation);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use gantz_shared::control::{Limits, TokenEntry};
    use gantz_shared::token::Digest;

    use super::*;
    use crate::kept::{Project, tests::kept};

    #[tokio::test]
    async fn what_cannot_be_kept_lets_nobody_in_again() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::Named("tools".into());
        let place = Place::within(folder.path().join("tunnels"), "relay", &project).unwrap();
        let before = kept();
        let welcome = Welcome {
            name: before.name,
            url: String::new(),
            resume: before.ticket,
            relay: String::new(),
            limits: Limits { max_body: 0 },
            lives: Vec::new(),
            awaited: false,
        };
        let book = Arc::new(Book::new(vec![
            TokenEntry::new("run", Digest::of(b"first")),
            TokenEntry::new("gone", Digest::of(b"second")),
        ]));
        let warned = Arc::new(AtomicUsize::new(0));
        let warn = Arc::new({
            let warned = warned.clone();
            move |_: &str| {
                warned.fetch_add(1, Ordering::Relaxed);
            }
        });
        let (_reopened, reopened) = watch::channel(None);
        let keeper = Keeper::start(place.clone(), welcome, reopened, Tokens::Of(book.clone()), warn).await;
        let tokens = || place.read().unwrap().map(|kept| kept.tokens.records.len());
        assert_eq!(tokens(), Some(2));
        // In the way of every write.
        std::fs::create_dir(place.beside("json.new")).unwrap();
        for (which, warnings) in [("gone", 1), ("run", 1)] {
            keeper.has(book.revoke(which).unwrap().generation).await;
            assert_eq!((tokens(), warned.load(Ordering::Relaxed)), (None, warnings));
        }
        std::fs::remove_dir(place.beside("json.new")).unwrap();
        keeper.has(book.add(crate::tokens::Spec::default()).unwrap().generation).await;
        assert_eq!(tokens(), Some(1));
    }
}
