//! The new process: takes the listeners, and the work when the agents are there.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::io::Interest;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Ask, Done, Listeners, MOVE, Offer, VERSION, WORD, pass, place};

/// Why a relay that runs is not relieved.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub(crate) struct TakeoverError {
    path: PathBuf,
    source: io::Error,
}

/// The process whose listeners these are, as long as it serves.
#[derive(Debug)]
pub(crate) struct Predecessor {
    socket: UnixStream,
    agents: usize,
}

/// Takes the listeners of the relay that runs with this state folder; `None` where none does.
pub(crate) fn take(state_dir: &Path) -> Result<Option<(UdpSocket, Listeners, Predecessor)>, TakeoverError> {
    let path = place(state_dir);
    let socket = match UnixStream::connect(&path) {
        Ok(socket) => socket,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(source) => return Err(TakeoverError { path, source }),
    };
    receive(socket).map(Some).map_err(|source| TakeoverError { path, source })
}

/// Whether a relay runs with this state folder that could be taken over from.
pub(crate) fn is_served(state_dir: &Path) -> bool {
    UnixStream::connect(place(state_dir)).is_ok()
}

fn receive(socket: UnixStream) -> io::Result<(UdpSocket, Listeners, Predecessor)> {
    socket.set_read_timeout(Some(WORD))?;
    socket.set_write_timeout(Some(WORD))?;
    pass::send(&socket, &Ask { version: VERSION }, &[])?;
    let (offer, files): (Offer, Vec<OwnedFd>) = pass::receive(&socket)?;
    let mut files = files.into_iter();
    let mut next = || files.next().ok_or_else(|| io::Error::other("not all listeners came"));
    let agents = UdpSocket::from(next()?);
    let edge = (0..offer.edge).map(|_| next().map(TcpListener::from)).collect::<io::Result<_>>()?;
    let mut optional = |is_there: bool| is_there.then(|| next().map(TcpListener::from)).transpose();
    let (http, admin) = (optional(offer.http)?, optional(offer.admin)?);
    socket.set_nonblocking(true)?;
    Ok((agents, Listeners { edge, http, admin }, Predecessor { socket, agents: offer.agents }))
}

impl Predecessor {
    /// Waits until its agents have come; `greeted` counts those who have.
    pub(super) async fn await_agents(&self, mut greeted: watch::Receiver<usize>) {
        let all = timeout(MOVE, greeted.wait_for(|greeted| *greeted >= self.agents)).await.is_ok();
        let moved = *greeted.borrow();
        if all {
            tracing::info!(moved, "the agents have moved here");
        } else {
            tracing::warn!(moved, of = self.agents, "not all agents have moved in time: their callers are held");
        }
    }

    /// Sends it home.
    pub(super) async fn relieve(self) -> io::Result<()> {
        let socket = tokio::net::UnixStream::from_std(self.socket)?;
        let word = socket.async_io(Interest::WRITABLE, || pass::send(&socket, &Done { serving: true }, &[]));
        timeout(WORD, word).await?
    }
}
