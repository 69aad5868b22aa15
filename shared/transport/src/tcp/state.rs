//! What a connection, its streams and its driver know together.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gantz_shared::limits::{CONNECTION_WINDOW, SEND_WINDOW};
use gantz_shared::reset::CloseCode;
use tokio::sync::{Notify, Semaphore, watch};

use super::ear::Ear;
use crate::Lost;

/// See the module's head.
#[derive(Debug)]
pub(super) struct State {
    pub(super) peer: SocketAddr,
    /// Bytes that may wait for the socket, all streams together: the peer grants windows as large as it likes.
    pub(super) room: Arc<Semaphore>,
    ended: watch::Sender<Option<Lost>>,
    /// What the peer is told.
    farewell: Mutex<Option<(CloseCode, String)>>,
    window: AtomicU32,
    /// There is something for the driver to do.
    orders: Notify,
    /// Neither the connection nor a stream is held any more.
    released: Notify,
    rtt: Mutex<Option<Duration>>,
    pub(super) ear: Arc<Ear>,
}

impl State {
    pub(super) fn new(peer: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            peer,
            ear: Arc::new(Ear::new()),
            room: Arc::new(Semaphore::new(SEND_WINDOW as usize)),
            ended: watch::Sender::new(None),
            farewell: Mutex::default(),
            window: AtomicU32::new(CONNECTION_WINDOW),
            orders: Notify::new(),
            released: Notify::new(),
            rtt: Mutex::default(),
        })
    }

    /// Ends the connection on this side; the driver tells the peer.
    pub(super) fn close(&self, code: CloseCode, reason: &str) {
        let mut farewell = self.farewell.lock().unwrap_or_else(PoisonError::into_inner);
        if self.end(Lost::Here) {
            *farewell = Some((code, reason.to_owned()));
            self.orders.notify_one();
        }
    }

    /// The connection has ended; `false` when it had before.
    pub(super) fn end(&self, lost: Lost) -> bool {
        self.ended.send_if_modified(|ended| {
            let is_first = ended.is_none();
            ended.get_or_insert(lost);
            is_first
        })
    }

    /// How the connection ended, if it has.
    pub(super) fn lost(&self) -> Option<Lost> {
        self.ended.borrow().clone()
    }

    /// Waits until the connection ends. Cancel-safe.
    pub(super) fn closed(&self) -> impl Future<Output = Lost> + Send + Sync + use<> {
        let mut ended = self.ended.subscribe();
        async move {
            let gone = || Lost::Broken("the connection is gone".to_owned());
            ended.wait_for(Option::is_some).await.map_or_else(|_| gone(), |lost| lost.clone().unwrap_or_else(gone))
        }
    }

    /// Waits until there is something for the driver to do. Cancel-safe.
    pub(super) async fn ordered(&self) {
        self.orders.notified().await;
    }

    /// Waits until nobody holds the connection or one of its streams. Cancel-safe.
    pub(super) async fn released(&self) {
        self.released.notified().await;
    }

    pub(super) fn farewell(&self) -> Option<(CloseCode, String)> {
        self.farewell.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn set_window(&self, bytes: u32) {
        self.window.store(bytes, Ordering::Release);
        self.orders.notify_one();
    }

    pub(super) fn window(&self) -> u32 {
        self.window.load(Ordering::Acquire)
    }

    pub(super) fn set_rtt(&self, rtt: Duration) {
        *self.rtt.lock().unwrap_or_else(PoisonError::into_inner) = Some(rtt);
    }

    pub(super) fn rtt(&self) -> Option<Duration> {
        *self.rtt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by a connection's clones and its streams: when the last of them goes, the connection does.
#[derive(Debug)]
pub(super) struct Alive(pub(super) Arc<State>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.close(CloseCode::Done, "");
        self.0.released.notify_one();
    }
}
