//! How many streams the peer may have open at once: a few at first, and twice as many whenever half of them are. quinn
//! keeps room for each that is granted, and with it, until that one is used again, the room that its longest message took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gantz_shared::limits::MAX_REQUEST_STREAMS;
use quinn::VarInt;

/// What is granted with the handshake.
pub(super) const FIRST: u32 = 128;

/// See the module's head. A clone counts with the others.
#[derive(Debug, Clone)]
pub(super) struct Granted(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    granted: AtomicU32,
    open: AtomicU32,
}

/// One that is open. Dropped, it is no more.
#[derive(Debug)]
pub(super) struct Taken(Arc<Counts>);

impl Granted {
    pub(super) fn new() -> Self {
        Self(Arc::new(Counts { granted: AtomicU32::new(FIRST), open: AtomicU32::new(0) }))
    }

    /// The peer has opened one more: grants others before it has to wait for them.
    pub(super) fn take(&self, connection: &quinn::Connection) -> Taken {
        let open = self.0.open.fetch_add(1, Ordering::Relaxed) + 1;
        let granted = self.0.granted.load(Ordering::Relaxed);
        if open > granted / 2 && granted < MAX_REQUEST_STREAMS {
            let more = (2 * granted).min(MAX_REQUEST_STREAMS);
            self.0.granted.store(more, Ordering::Relaxed);
            connection.set_max_concurrent_bi_streams(VarInt::from_u32(more));
        }
        Taken(self.0.clone())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
