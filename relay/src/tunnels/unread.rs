//! The answers of one tunnel that their callers do not read.
//!
//! What was sent and not read takes up the tunnel's window, which is for all of its callers (RFC 9000 §4.1). So that
//! those who do not read stop nobody else, each of their answers gets a window of its own; and when they are too many,
//! those that have not been read for longest are given up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gantz_shared::limits::{CONNECTION_WINDOW, STREAM_WINDOW};
use gantz_transport::Connection;
use tokio_util::sync::CancellationToken;

use crate::config::MAX_UNREAD;

/// See the module's head.
pub(crate) struct Unread {
    connection: Connection,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    next: u64,
    /// The first is the one that has been here for longest.
    taken: BTreeMap<u64, Taken>,
}

#[derive(Default)]
struct Taken {
    /// It has had its time, should there be too many.
    is_late: bool,
    given_up: CancellationToken,
}

impl Places {
    /// Gives up those that have had their time, as long as there are too many.
    fn make_room(&mut self) {
        while self.taken.len() > MAX_UNREAD {
            let Some(late) = self.taken.first_entry().filter(|longest| longest.get().is_late) else { return };
            late.remove().given_up.cancel();
        }
    }

    fn window(&self) -> u32 {
        let own = u32::try_from(self.taken.len().min(MAX_UNREAD)).unwrap_or(u32::MAX);
        CONNECTION_WINDOW.saturating_add(own.saturating_mul(STREAM_WINDOW))
    }
}

impl Unread {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, places: Mutex::default() }
    }

    /// One more answer that is not read, until the place is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Place {
        let taken = Taken::default();
        let given_up = taken.given_up.clone();
        let number = self.change(|places| {
            let number = places.next;
            places.next += 1;
            places.taken.insert(number, taken);
            number
        });
        Place { unread: self.clone(), number, given_up }
    }

    fn change<R>(&self, change: impl FnOnce(&mut Places) -> R) -> R {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let before = places.window();
        let result = change(&mut places);
        places.make_room();
        let window = places.window();
        if window != before {
            self.connection.set_receive_window(window);
        }
        result
    }
}

/// A place among the answers that are not read.
pub(crate) struct Place {
    unread: Arc<Unread>,
    number: u64,
    given_up: CancellationToken,
}

impl Place {
    /// From now on it goes when there are too many.
    pub(crate) fn lose_patience(&self) {
        self.unread.change(|places| {
            if let Some(taken) = places.taken.get_mut(&self.number) {
                taken.is_late = true;
            }
        });
    }

    /// Waits until the answer has to go, for others that are not read. Cancel-safe.
    pub(crate) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.unread.change(|places| places.taken.remove(&self.number));
    }
}
