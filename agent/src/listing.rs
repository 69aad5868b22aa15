//! Keeps what is known of the local server's tools fresh, for as long as a token is for read-only tools.
//!
//! The agent lists the tools itself: when such a token comes about, every [`AGE`], when a call names a tool that is not
//! known, and when the server says that they have changed. What passes on behalf of callers can cause a list, at most one
//! every [`PAUSE`], and never says what is in it.

use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use crate::permissions::ToolBook;
use crate::tokens::Book;
use crate::upstream::{Upstream, tools};

/// How old what is known of the tools may get before they are listed again.
pub const AGE: Duration = Duration::from_secs(60);

/// How old it may get where they cannot be listed. Then none is known any more, and calls are refused.
pub const OLDEST: Duration = Duration::from_secs(180);

/// From the end of one list to the next.
pub const PAUSE: Duration = Duration::from_secs(2);

/// See the module's head. Dropped, it ends.
#[derive(Debug)]
pub struct Listing(#[expect(dead_code, reason = "the task ends with it")] AbortOnDropHandle<()>);

impl Listing {
    /// Lists the tools of the server that speaks MCP on `path` into `book`, as long as `tokens` need it.
    #[must_use]
    pub fn start(upstream: Arc<Upstream>, path: PathAndQuery, book: Arc<ToolBook>, tokens: Arc<Book>) -> Self {
        Self(AbortOnDropHandle::new(tokio::spawn(run(upstream, path, book, tokens))))
    }
}

async fn run(upstream: Arc<Upstream>, path: PathAndQuery, book: Arc<ToolBook>, tokens: Arc<Book>) {
    let mut changes = tokens.changes();
    let (mut next, mut known) = (Instant::now(), None::<Instant>);
    loop {
        // Before the wait, so that no change after this look is missed.
        let is_needed = tokens.has_read_only();
        tokio::select! {
            () = sleep_until(next), if is_needed => {}
            () = book.asked(), if is_needed => {}
            () = changes.next() => continue,
        }
        match tools::list(&upstream, &path, &book).await {
            Ok(()) => {
                known = Some(Instant::now());
                next = Instant::now() + AGE;
            }
            Err(error) => {
                tracing::info!(%error, "tools not known");
                if known.is_none_or(|known| known.elapsed() >= OLDEST) {
                    book.forget();
                    known = None;
                }
                // A server that comes back may be another one.
                next = Instant::now() + if known.is_some() { PAUSE } else { AGE };
            }
        }
        sleep_until(Instant::now() + PAUSE).await;
    }
}
