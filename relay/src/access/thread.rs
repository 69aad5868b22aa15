//! The one thread of a relay that has the file open: it makes the changes, one after the other, and looks in between
//! whether others have made some.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::{AccessError, Book, Database, POLL, now};

type Job = Box<dyn FnOnce(&mut Database, &mut Looking) + Send>;

/// See the module's head. Dropped, it finishes what it has begun.
#[derive(Debug)]
pub(super) struct Thread {
    jobs: Option<Sender<Job>>,
    handle: Option<JoinHandle<()>>,
}

impl Thread {
    pub(super) fn start(database: Database, book: Arc<Book>) -> Result<Self, AccessError> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let handle = std::thread::Builder::new().name("gantz-access".into()).spawn(move || {
            let (mut database, mut looking) = (database, Looking { book, told: None });
            loop {
                match waiting.recv_timeout(POLL) {
                    Ok(job) => job(&mut database, &mut looking),
                    Err(RecvTimeoutError::Timeout) => looking.look(&mut database),
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        })?;
        Ok(Self { jobs: Some(jobs), handle: Some(handle) })
    }

    /// Does `job` there. When it is done, the book knows of it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Database) -> Result<T, AccessError> + Send + 'static,
    ) -> Result<T, AccessError> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |database, looking| {
            let done = job(database);
            looking.look(database);
            // Whoever asked may have gone; what is done is done.
            let _ = sender.send(done);
        });
        let jobs = self.jobs.as_ref().ok_or(AccessError::Closed)?;
        jobs.send(job).map_err(|_| AccessError::Closed)?;
        receiver.await.map_err(|_| AccessError::Closed)?
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(handle) = self.handle.take()
            && handle.join().is_err()
        {
            tracing::error!("the thread of the access keys failed");
        }
    }
}

/// Keeps the book as the file is.
struct Looking {
    book: Arc<Book>,
    /// The failure that was logged last.
    told: Option<String>,
}

impl Looking {
    fn look(&mut self, database: &mut Database) {
        let read = database.take_changed().and_then(|changed| changed.then(|| database.keys()).transpose());
        match read {
            Ok(Some(keys)) => {
                self.told = None;
                self.book.replace(keys);
            }
            Ok(None) => self.told = None,
            Err(error) => {
                let error = error.to_string();
                if self.told.as_ref() != Some(&error) {
                    tracing::error!(error, "access keys cannot be read again; those of before stay");
                    self.told = Some(error);
                }
                // They are read at the next look.
                database.set_changed();
            }
        }
        self.book.close_dead(now());
    }
}
