//! One waker for many: h2 keeps one for all who wait on the sending half of a stream, and here a writer and any number
//! of [`stopped`](super::SendHalf::stopped) wait at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Fan(Mutex<Vec<Waker>>);

impl Fan {
    /// Has the caller woken by the next [`wake`](Wake::wake), and gives the waker that does it.
    pub(super) fn join(self: &Arc<Self>, cx: &Context<'_>) -> Waker {
        let mut wakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        drop(wakers);
        Waker::from(self.clone())
    }
}

impl Wake for Fan {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for waker in wakers {
            waker.wake();
        }
    }
}
