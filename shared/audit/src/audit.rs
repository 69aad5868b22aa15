//! What the programs hold: [`Audit`], wherever something happens, and [`Keeper`], once.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use serde::Serialize;
use tracing::error;

use crate::file::RotatedFile;
use crate::limits::Limits;
use crate::line;
use crate::queue::Queue;
use crate::writer;

/// How long the end of a program waits for a disk that does not answer.
pub const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// The log, to write to. A clone is another handle of the same log; the default one goes nowhere.
#[derive(Debug, Clone, Default)]
pub struct Audit(Option<Arc<Queue>>);

/// Keeps the log written. Dropped or closed, it waits until the last lines are on the disk, [`CLOSE_DEADLINE`] at most;
/// what is written after that goes nowhere. It belongs to the end of the program, after the work has stopped.
#[derive(Debug)]
#[must_use = "dropped, it closes the log"]
pub struct Keeper {
    queue: Arc<Queue>,
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
    /// Disconnected when the thread is at its end: joining knows no deadline.
    ended: Receiver<()>,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be used.
    #[error("the audit log {} cannot be opened: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system has no thread left.
    #[error("the thread that writes the audit log cannot be started: {0}")]
    Thread(io::Error),
}

impl Audit {
    /// Opens the file at `path` for appending, and makes it (0600) and its folder (0700) where they are missing. The
    /// lines of several processes in one file stay whole, but where the disk is full.
    ///
    /// # Errors
    /// The file cannot be opened, or is not a regular one. A disk that is full is no such error: it is reported with the
    /// first line that finds no room, and the log starts as soon as there is some.
    pub fn open(path: &Path, limits: Limits) -> Result<(Self, Keeper), OpenError> {
        let mut file = RotatedFile::new(path.to_owned(), limits);
        match file.open() {
            Ok(()) => {}
            // Reported with the first line that finds no room.
            Err(error) if is_full(&error) => {}
            Err(source) => return Err(OpenError::File { path: path.to_owned(), source }),
        }
        let queue = Arc::new(Queue::new(limits.pending));
        let (ending, ended) = sync_channel::<()>(0);
        let thread = Builder::new()
            .name("audit".into())
            .spawn({
                let queue = Arc::clone(&queue);
                move || {
                    // Dropped at the end, however it comes.
                    let _ending = ending;
                    writer::run(&queue, &mut file);
                }
            })
            .map_err(OpenError::Thread)?;
        let keeper = Keeper { queue: Arc::clone(&queue), path: path.to_owned(), thread: Some(thread), ended };
        Ok((Self(Some(queue)), keeper))
    }

    /// Writes one event: a struct or a variant whose first key is `event`, as of `#[serde(tag = "event")]`. Returns at
    /// once, whatever the disk does, and can be called anywhere.
    pub fn write(&self, event: &impl Serialize) {
        let Some(queue) = &self.0 else { return };
        match line::body(event) {
            Some(body) => queue.push(&body),
            None => {
                error!(kind = std::any::type_name_of_val(event), "this is no event for the audit log, and is lost");
                queue.lose();
            }
        }
    }

    /// How many events were lost since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |queue| queue.lost())
    }

    /// Whether what is written goes anywhere: asked before work is done for an event and nothing else.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

/// Whether there is nothing wrong but that there is no room.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Keeper {
    /// Waits for the last lines, as dropping does. Blocks, so not on a thread that other tasks need.
    pub fn close(self) {}
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.queue.close();
        if self.ended.recv_timeout(CLOSE_DEADLINE) == Err(RecvTimeoutError::Timeout) {
            error!(path = %self.path.display(), "the disk does not answer; the end of the audit log is given up");
        } else if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            error!(path = %self.path.display(), "the thread that writes the audit log has failed");
        }
    }
}
