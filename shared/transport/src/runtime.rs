//! The one place that decides which runtime drives what.
//!
//! A QUIC connection's driver and the requests that it carries run on one current-thread runtime, so that they never wake
//! each other across threads: that was measured to be about three times as fast as two workers sharing one connection. An
//! agent has one connection, and one such runtime. A relay has as many as it is told, and spreads its connections over them;
//! one of them, the first, takes in what comes over UDP for all, and hands it on to the driver whose it is.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

/// Sockets that are looked after at a time. What they bring goes into the tunnel before the next ones are: otherwise all that
/// is there would go through relay and agent in one troop, and each would wait while the other has it.
const SOCKETS_AT_A_TIME: usize = 8;

/// The runtime of an agent, or of a worker of a relay.
///
/// # Errors
/// What the system reports when it cannot give an event queue or a thread.
pub fn build() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_io_events_per_tick(SOCKETS_AT_A_TIME).build()
}

/// Whether this is running on `runtime`.
#[must_use]
pub fn is_on(runtime: &Handle) -> bool {
    Handle::try_current().is_ok_and(|current| current.id() == runtime.id())
}

/// The runtime that this is started on, and others, each with a thread of its own. Dropped, the others end, with
/// everything that runs on them.
#[derive(Debug)]
pub struct Workers {
    crew: Crew,
    stop: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

/// The [`Workers`], for whoever has work for them. A clone is the same ones.
#[derive(Debug, Clone)]
pub struct Crew {
    first: Worker,
    others: Arc<[Worker]>,
}

/// A runtime.
#[derive(Debug, Clone)]
pub struct Worker {
    runtime: Handle,
    busy: Arc<AtomicUsize>,
}

/// Something that keeps a worker busy, until this is dropped.
#[derive(Debug)]
pub struct Busy(Arc<AtomicUsize>);

impl Workers {
    /// So many, this one among them.
    ///
    /// # Errors
    /// As [`build`].
    pub fn start(count: NonZeroUsize) -> io::Result<Self> {
        let first = Worker::new(Handle::current());
        let stop = CancellationToken::new();
        let mut workers = Self { crew: Crew { first, others: [].into() }, stop, threads: Vec::new() };
        let mut others = Vec::new();
        for number in 1..count.get() {
            let (stop, (sender, built)) = (workers.stop.clone(), mpsc::channel());
            let thread = std::thread::Builder::new().name(format!("gantz-worker-{number}"));
            // Built there: one that is dropped where another runs is a panic.
            let thread = thread.spawn(move || {
                let runtime = build();
                // Whoever starts them waits for it.
                let _ = sender.send(runtime.as_ref().map(|runtime| runtime.handle().clone()).map_err(io::Error::kind));
                if let Ok(runtime) = runtime {
                    runtime.block_on(stop.cancelled());
                }
            });
            workers.threads.push(thread?);
            others.push(Worker::new(built.recv().map_err(io::Error::other)??));
        }
        workers.crew.others = others.into();
        Ok(workers)
    }

    /// All of them.
    #[must_use]
    pub fn crew(&self) -> Crew {
        self.crew.clone()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            // A panic was said when it happened, and is nothing to whoever ends.
            let _ = thread.join();
        }
    }
}

impl Crew {
    /// Whether there is more than one.
    #[must_use]
    pub fn is_many(&self) -> bool {
        !self.others.is_empty()
    }

    /// The one with the least to do; of several the first.
    #[must_use]
    pub fn least_busy(&self) -> &Worker {
        self.others.iter().fold(&self.first, |least, other| if other.has_less_than(least) { other } else { least })
    }
}

impl Worker {
    fn new(runtime: Handle) -> Self {
        Self { runtime, busy: Arc::default() }
    }

    fn has_less_than(&self, other: &Self) -> bool {
        self.busy.load(Ordering::Relaxed) < other.busy.load(Ordering::Relaxed)
    }

    /// Where to spawn what this one is to do.
    #[must_use]
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// One more thing for it to do.
    #[must_use]
    pub fn take(&self) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.busy.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn start(count: usize) -> Workers {
        Workers::start(NonZeroUsize::new(count).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn who_has_the_least_to_do_gets_the_next_and_each_has_a_thread_of_its_own() {
        let workers = start(3);
        let (crew, mut threads, mut taken) = (workers.crew(), HashSet::new(), Vec::new());
        for _ in 0..3 {
            let worker = crew.least_busy();
            taken.push(worker.take());
            let thread = async { (std::thread::current().id(), Handle::current().id()) };
            threads.insert(worker.runtime().spawn(thread).await.unwrap());
        }
        assert_eq!(threads.len(), 3);
        assert!(is_on(crew.least_busy().runtime()), "all have as much to do: it is the first one's turn");
        let first = crew.least_busy().take();
        drop(taken.pop());
        assert_eq!(crew.least_busy().runtime().id(), crew.others[1].runtime.id());
        drop(first);
    }

    #[tokio::test]
    async fn what_runs_on_them_ends_with_them() {
        let workers = start(2);
        let running = workers.crew.others[0].runtime.spawn(std::future::pending::<()>());
        drop(workers);
        assert!(running.await.unwrap_err().is_cancelled());
    }
}
