//! A thread for what an attack is not to share one with.

use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A runtime on a thread of its own. Dropped, all that runs there ends.
pub(crate) struct Home {
    handle: Handle,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (handle, stop) = (runtime.handle().clone(), CancellationToken::new());
        let stopped = stop.clone();
        let thread = Some(std::thread::spawn(move || runtime.block_on(stopped.cancelled())));
        Self { handle, stop, thread }
    }

    /// Runs `future` there to its end.
    pub(crate) async fn run<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        self.spawn(future).await.unwrap()
    }

    /// Runs `future` there while something else goes on here.
    pub(crate) fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.handle.spawn(future)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("its tasks fail, and it does not");
        }
    }
}
