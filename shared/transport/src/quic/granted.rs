//! How many streams the peer may have open at once: a few at first, and twice as many whenever half of them are, or as many
//! are opened in a second: the peer gets to know of one that is over only a round trip or two later. quinn keeps room for
//! each that is granted, and with it, until that one is used again, the room that its longest message took.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gantz_shared::limits::MAX_REQUEST_STREAMS;
use quinn::VarInt;

/// What is granted with the handshake.
pub(super) const FIRST: u32 = 128;

/// More than anyone has in flight: quinn tells the peer of streams that are over only when they are more than an eighth of
/// what is granted, and of the last of them maybe never. With this, who has all in flight that it may, still gets one for
/// each that is over.
const MOST: u32 = MAX_REQUEST_STREAMS + MAX_REQUEST_STREAMS / 4;
const _: () = assert!(MOST - MOST / 8 >= MAX_REQUEST_STREAMS);

/// See the module's head. A clone counts with the others.
#[derive(Debug, Clone)]
pub(super) struct Granted(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    granted: AtomicU32,
    open: AtomicU32,
    /// Since when the ones of this second are counted, and how many there are.
    second: Mutex<(Instant, u32)>,
}

/// One that is open. Dropped, it is no more.
#[derive(Debug)]
pub(super) struct Taken(Arc<Counts>);

impl Granted {
    pub(super) fn new() -> Self {
        let second = Mutex::new((Instant::now(), 0));
        Self(Arc::new(Counts { granted: AtomicU32::new(FIRST), open: AtomicU32::new(0), second }))
    }

    /// The peer has opened one more: grants others before it has to wait for them.
    pub(super) fn take(&self, connection: &quinn::Connection) -> Taken {
        let open = self.0.open.fetch_add(1, Ordering::Relaxed) + 1;
        let granted = self.0.granted.load(Ordering::Relaxed);
        if granted < MOST && open.max(self.0.in_this_second()) > granted / 2 {
            let more = (2 * granted).min(MOST);
            self.0.granted.store(more, Ordering::Relaxed);
            connection.set_max_concurrent_bi_streams(VarInt::from_u32(more));
        }
        Taken(self.0.clone())
    }
}

impl Counts {
    /// One more, and how many that makes in this second.
    fn in_this_second(&self) -> u32 {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if second.0.elapsed() >= Duration::from_secs(1) {
            *second = (Instant::now(), 0);
        }
        second.1 += 1;
        second.1
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
