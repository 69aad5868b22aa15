//! The answers of one tunnel that their callers do not read.
//!
//! What was sent and not read takes up the tunnel's window, which is for all of its callers (RFC 9000 §4.1). So that
//! those who do not read stop nobody else, each of their answers gets a window of its own; and when they are too many,
//! the one that has not been read for longest is given up.

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
    taken: BTreeMap<u64, CancellationToken>,
}

impl Unread {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, places: Mutex::default() }
    }

    /// One more answer that is not read, until the place is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Place {
        let given_up = CancellationToken::new();
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let number = places.next;
        places.next += 1;
        places.taken.insert(number, given_up.clone());
        if places.taken.len() > MAX_UNREAD
            && let Some((_, longest)) = places.taken.pop_first()
        {
            longest.cancel();
        }
        self.set_window(&places);
        Place { unread: self.clone(), number, given_up }
    }

    fn set_window(&self, places: &Places) {
        let own = u32::try_from(places.taken.len()).unwrap_or(u32::MAX).saturating_mul(STREAM_WINDOW);
        self.connection.set_receive_window(CONNECTION_WINDOW.saturating_add(own));
    }
}

/// A place among the answers that are not read.
pub(crate) struct Place {
    unread: Arc<Unread>,
    number: u64,
    given_up: CancellationToken,
}

impl Place {
    /// Waits until the answer has to go, for others that are not read. Cancel-safe.
    pub(crate) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.unread.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.taken.remove(&self.number).is_some() {
            self.unread.set_window(&places);
        }
    }
}
