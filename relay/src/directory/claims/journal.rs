//! The file of the claims, and the one thread that writes to it. It is appended to, and written anew where it has become
//! long, or where something was not written.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::known::{Known, Lines, MAX_CLAIMS};
use super::lock;
use crate::state::{self, StateError, failed};

/// Lines after which the file is written anew.
pub(super) const MAX_LINES: usize = 4 * MAX_CLAIMS;

/// What the thread is told.
enum Job {
    Append(String),
    /// All before is written.
    Tell(oneshot::Sender<()>),
}

/// See the module's head. Dropped, it finishes what it has begun.
#[derive(Debug)]
pub(super) struct Journal {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Goes on behind so many lines.
    pub(super) fn start(path: &Path, known: Arc<Mutex<Known>>, lines: Lines) -> Result<Self, StateError> {
        let (jobs, waiting) = mpsc::channel();
        let spawned = std::thread::Builder::new().name("gantz-names".into()).spawn({
            let path = path.to_owned();
            move || Writer { path, known, file: None, lines, told: false }.run(&waiting)
        });
        Ok(Self { jobs: Some(jobs), thread: Some(spawned.map_err(failed("cannot start to write", path))?) })
    }

    pub(super) fn append(&self, line: String) {
        self.tell(Job::Append(line));
    }

    /// Waits until what was appended before is on the disk, or was told not to get there. Cancel-safe.
    pub(super) async fn written(&self) {
        let (sender, receiver) = oneshot::channel();
        self.tell(Job::Tell(sender));
        // An error is the end of the thread, which has told why.
        let _ = receiver.await;
    }

    fn tell(&self, job: Job) {
        if self.jobs.as_ref().is_none_or(|jobs| jobs.send(job).is_err()) {
            tracing::debug!("nobody writes down who claims a name");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes down who claims a name failed");
        }
    }
}

struct Writer {
    path: PathBuf,
    known: Arc<Mutex<Known>>,
    /// Open to be appended to.
    file: Option<File>,
    lines: Lines,
    /// That the file cannot be written was told.
    told: bool,
}

impl Writer {
    fn run(&mut self, waiting: &Receiver<Job>) {
        while let Ok(first) = waiting.recv() {
            // Those that wait by now are written together.
            let (mut text, mut waiters) = (String::new(), Vec::new());
            for job in std::iter::once(first).chain(waiting.try_iter()) {
                match job {
                    Job::Append(line) => text.push_str(&line),
                    Job::Tell(waiter) => waiters.push(waiter),
                }
            }
            if !text.is_empty() {
                self.write(&text);
            }
            for waiter in waiters {
                // Whoever waits may have gone.
                let _ = waiter.send(());
            }
        }
    }

    /// A disk that takes no more stops nobody; it is told once.
    fn write(&mut self, text: &str) {
        let count = text.lines().count();
        let written = if self.lines.is_torn || self.lines.count + count > MAX_LINES {
            self.write_anew()
        } else {
            self.lines.count += count;
            self.append(text).map_err(failed("cannot write", &self.path))
        };
        // What is missing then is known, and written with the rest.
        self.lines.is_torn = written.is_err();
        match written {
            Ok(()) => self.told = false,
            Err(error) if !self.told => {
                self.told = true;
                tracing::error!(%error, "it is not written down who has claimed a name");
            }
            Err(_) => {}
        }
    }

    fn append(&mut self, text: &str) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut options = OpenOptions::new();
                options.append(true).create(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                none.insert(options.open(&self.path)?)
            }
        };
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }

    fn write_anew(&mut self) -> Result<(), StateError> {
        let (text, count) = {
            let known = lock(&self.known);
            (known.text(), known.len())
        };
        // It is another file then.
        self.file = None;
        state::write(&self.path, text.as_bytes(), 0o600)?;
        self.lines.count = count;
        Ok(())
    }
}
