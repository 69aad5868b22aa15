//! The tunnels that are open now, and their move to another process.

use std::collections::HashMap;
use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantz_transport::quic;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{Figures, Tunnel};

/// The tunnels that are open now.
#[derive(Default)]
pub(crate) struct Roster {
    open: Mutex<Open>,
    /// How many there have been.
    greeted: watch::Sender<usize>,
}

#[derive(Default)]
struct Open {
    tunnels: HashMap<u64, Arc<Tunnel>>,
    /// What QUIC has counted of those that were.
    past: Figures,
    leave: CancellationToken,
}

/// Keeps a tunnel on the roster.
pub(super) struct Listed<'a> {
    roster: &'a Roster,
    id: u64,
    /// Cancelled when its agent is to move.
    pub(super) leave: CancellationToken,
}

impl Roster {
    pub(super) fn enter(&self, tunnel: &Arc<Tunnel>) -> Listed<'_> {
        let mut open = self.open();
        open.tunnels.insert(tunnel.id(), tunnel.clone());
        self.greeted.send_modify(|greeted| *greeted += 1);
        // Over TCP an agent comes back to whoever accepts, and that is this process until it ends.
        let leave = if tunnel.path().is_some() { open.leave.clone() } else { CancellationToken::new() };
        Listed { roster: self, id: tunnel.id(), leave }
    }

    /// Counts the tunnels that were opened.
    pub(crate) fn greeted(&self) -> watch::Receiver<usize> {
        self.greeted.subscribe()
    }

    /// Those that are open now, and what QUIC has counted of those that were before.
    pub(crate) fn look(&self) -> (Vec<Arc<Tunnel>>, Figures) {
        let open = self.open();
        (open.tunnels.values().cloned().collect(), open.past)
    }

    /// The paths of those that can move.
    pub(super) fn paths(&self) -> Vec<quic::Path> {
        self.open().tunnels.values().filter_map(|tunnel| tunnel.path()).collect()
    }

    /// Tells those to move that can.
    pub(super) fn dismiss(&self) {
        std::mem::take(&mut self.open().leave).cancel();
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let mut open = self.roster.open();
        if let Some(stats) = open.tunnels.remove(&self.id).and_then(|tunnel| tunnel.quic()) {
            open.past += stats;
        }
    }
}

/// What another process is given.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) socket: UdpSocket,
    /// Tunnels that were told to move.
    pub(crate) agents: usize,
}

/// What the tunnels' task is asked.
pub(super) enum Wish {
    HandOver(oneshot::Sender<io::Result<Handed>>),
    TakeBack,
}

/// Asks the tunnels' task.
#[derive(Debug, Clone)]
pub(crate) struct Moves(mpsc::Sender<Wish>);

/// The wishes, and who hears them.
pub(crate) fn moves() -> (Moves, Wishes) {
    let (sender, receiver) = mpsc::channel(1);
    (Moves(sender), Wishes(receiver))
}

/// See [`moves`].
pub(crate) struct Wishes(mpsc::Receiver<Wish>);

impl Wishes {
    /// Waits for the next. Cancel-safe.
    pub(super) async fn next(&mut self) -> Wish {
        match self.0.recv().await {
            Some(wish) => wish,
            // Nobody can wish for anything.
            None => std::future::pending().await,
        }
    }
}

impl Moves {
    /// Makes the socket of agents free for another process, and tells the agents to move there.
    pub(crate) async fn hand_over(&self) -> io::Result<Handed> {
        let (answer, handed) = oneshot::channel();
        self.0.send(Wish::HandOver(answer)).await.map_err(io::Error::other)?;
        handed.await.map_err(io::Error::other)?
    }

    /// The other process did not come to use it.
    pub(crate) async fn take_back(&self) {
        if let Err(error) = self.0.send(Wish::TakeBack).await {
            tracing::debug!(%error, "the relay ends");
        }
    }
}
