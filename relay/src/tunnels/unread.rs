//! The answers that their callers do not read.
//!
//! What was sent and not read takes up the tunnel's window, which is for all of its callers (RFC 9000 §4.1), and the
//! relay's memory, which is for all tunnels. So that those who do not read stop nobody else, each of their answers gets a
//! window of its own; when one tunnel has too many, those that have not been read for longest are given up, and when the
//! relay has, the tunnel with the most of them gives up its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use gantz_shared::limits::{CONNECTION_WINDOW, STREAM_WINDOW};
use gantz_transport::Connection;
use tokio_util::sync::CancellationToken;

use crate::config::MAX_UNREAD;

/// Those of all tunnels.
pub(crate) struct AllUnread {
    /// How many there may be, in all.
    max: usize,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    next: u64,
    count: usize,
    /// Those tunnels that have any.
    tunnels: HashMap<u64, Of>,
}

/// Those of one tunnel.
struct Of {
    connection: Connection,
    /// The first is the one that has been here for longest.
    taken: BTreeMap<u64, Taken>,
}

#[derive(Default)]
struct Taken {
    /// It has had its time, should there be too many.
    is_late: bool,
    given_up: CancellationToken,
}

impl AllUnread {
    /// At most `max` of them.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, places: Mutex::default() })
    }

    fn change<R>(&self, change: impl FnOnce(&mut Places) -> R) -> R {
        change(&mut self.places.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Places {
    fn insert(&mut self, tunnel: u64, connection: &Connection) -> (u64, CancellationToken) {
        let number = self.next;
        self.next += 1;
        let of = self.tunnels.entry(tunnel);
        let of = of.or_insert_with(|| Of { connection: connection.clone(), taken: BTreeMap::new() });
        let given_up = of.taken.entry(number).or_default().given_up.clone();
        self.count += 1;
        of.widen();
        (number, given_up)
    }

    fn remove(&mut self, tunnel: u64, number: u64) {
        let Some(of) = self.tunnels.get_mut(&tunnel) else { return };
        let Some(taken) = of.taken.remove(&number) else { return };
        taken.given_up.cancel();
        of.widen();
        self.count -= 1;
        if of.taken.is_empty() {
            self.tunnels.remove(&tunnel);
        }
    }

    /// Gives up those of `tunnel` that have had their time, as long as it has too many.
    fn make_room_in(&mut self, tunnel: u64) {
        while let Some(of) = self.tunnels.get(&tunnel).filter(|of| of.taken.len() > MAX_UNREAD)
            && let Some((&late, _)) = of.taken.first_key_value().filter(|(_, longest)| longest.is_late)
        {
            self.remove(tunnel, late);
        }
    }

    /// Gives up the oldest of the tunnel that has the most, as long as there are more than `max`: whoever has few of
    /// them does not pay for who has many.
    fn make_room(&mut self, max: usize) {
        while self.count > max
            && let Some((&tunnel, most)) = self.tunnels.iter().max_by_key(|(_, of)| of.taken.len())
            && let Some((&longest, _)) = most.taken.first_key_value()
        {
            self.remove(tunnel, longest);
        }
    }
}

impl Of {
    fn widen(&self) {
        let own = u32::try_from(self.taken.len().min(MAX_UNREAD)).unwrap_or(u32::MAX);
        self.connection.set_receive_window(CONNECTION_WINDOW.saturating_add(own.saturating_mul(STREAM_WINDOW)));
    }
}

/// Those of one tunnel, among all.
pub(crate) struct Unread {
    all: Arc<AllUnread>,
    tunnel: u64,
    connection: Connection,
}

impl Unread {
    pub(super) fn new(all: &Arc<AllUnread>, tunnel: u64, connection: Connection) -> Self {
        Self { all: all.clone(), tunnel, connection }
    }

    /// One more answer that is not read, until the place is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Place {
        let (number, given_up) = self.all.change(|places| {
            let place = places.insert(self.tunnel, &self.connection);
            places.make_room_in(self.tunnel);
            places.make_room(self.all.max);
            place
        });
        Place { unread: self.clone(), number, given_up }
    }
}

/// A place among the answers that are not read.
pub(crate) struct Place {
    unread: Arc<Unread>,
    number: u64,
    given_up: CancellationToken,
}

impl Place {
    /// From now on it goes when its tunnel has too many.
    pub(crate) fn lose_patience(&self) {
        let tunnel = self.unread.tunnel;
        self.unread.all.change(|places| {
            if let Some(taken) = places.tunnels.get_mut(&tunnel).and_then(|of| of.taken.get_mut(&self.number)) {
                taken.is_late = true;
            }
            places.make_room_in(tunnel);
        });
    }

    /// Waits until the answer has to go, for others that are not read. Cancel-safe.
    pub(crate) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.unread.all.change(|places| places.remove(self.unread.tunnel, self.number));
    }
}
