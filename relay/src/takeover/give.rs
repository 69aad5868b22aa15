//! The process that serves: gives its listeners away when a new one asks.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Ask, Done, Listeners, Offer, Predecessor, TAKEOVER, VERSION, WORD, pass, place};
use crate::tunnels::Moves;

/// What there is to give.
#[derive(Debug)]
pub(crate) struct Giving {
    /// Copies.
    pub(crate) listeners: Listeners,
    pub(crate) agents: Moves,
    /// Set when they are given.
    pub(crate) taken_over: CancellationToken,
}

/// Relieves `predecessor`, `open`s the doors, and then waits for somebody who takes over from this process. Where there is
/// nobody to relieve, somebody can ask as soon as this returns.
pub(crate) fn serve(
    state_dir: &Path,
    predecessor: Option<Predecessor>,
    greeted: watch::Receiver<usize>,
    open: CancellationToken,
    giving: Giving,
) -> impl Future<Output = ()> + Send + use<> {
    let path = place(state_dir);
    let at_once = predecessor.is_none().then(|| Socket::listen(path.clone()));
    async move {
        if let Some(predecessor) = predecessor {
            predecessor.await_agents(greeted).await;
            open.cancel();
            if let Err(error) = predecessor.relieve().await {
                tracing::warn!(%error, "the relay that was there before did not hear that it can go");
            }
        }
        match at_once.unwrap_or_else(|| Socket::listen(path.clone())) {
            Ok(socket) => giving.wait(socket).await,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no other process can take over from this one");
            }
        }
    }
}

/// What came of somebody on the socket.
enum Given {
    /// The other process serves.
    All,
    /// It only looked whether a relay runs.
    Nothing,
}

/// Where another process asks. Its file goes with it, as long as it is this process's.
struct Socket {
    listener: UnixListener,
    file: Option<PathBuf>,
}

impl Socket {
    /// Whoever was there before is gone, or has just been relieved.
    fn listen(path: PathBuf) -> io::Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // In a folder that only its owner may enter.
        Ok(Self { listener: UnixListener::bind(&path)?, file: Some(path) })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(path) = &self.file
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::debug!(path = %path.display(), %error, "a socket stays");
        }
    }
}

impl Giving {
    async fn wait(self, mut at: Socket) {
        loop {
            let given = match at.listener.accept().await {
                Ok((socket, _)) => self.give(&socket).await,
                Err(error) => return tracing::warn!(%error, "no other process can take over from this one any more"),
            };
            match given {
                Ok(Given::Nothing) => {}
                Ok(Given::All) => {
                    // The new process makes its own in its place.
                    at.file = None;
                    return self.taken_over.cancel();
                }
                Err(error) => {
                    tracing::warn!(%error, "another process asked for the listeners, and did not come to serve");
                }
            }
        }
    }

    async fn give(&self, socket: &UnixStream) -> io::Result<Given> {
        let Ask { version } = match timeout(WORD, receive(socket)).await? {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Given::Nothing),
            asked => asked?,
        };
        if version != VERSION {
            return Err(io::Error::other(format!("it speaks version {version} of this, and this process {VERSION}")));
        }
        let handed = self.agents.hand_over().await?;
        let Listeners { edge, http, admin } = &self.listeners;
        let offer = Offer { agents: handed.agents, edge: edge.len(), http: http.is_some(), admin: admin.is_some() };
        let listeners = edge.iter().chain(http).chain(admin).map(AsFd::as_fd);
        let files: Vec<_> = std::iter::once(handed.socket.as_fd()).chain(listeners).collect();
        let taken = async {
            timeout(WORD, socket.async_io(Interest::WRITABLE, || pass::send(socket, &offer, &files))).await??;
            let Done { serving } = timeout(TAKEOVER, receive(socket)).await??;
            if serving { Ok(()) } else { Err(io::Error::other("it does not serve")) }
        };
        let taken = taken.await;
        if taken.is_err() {
            self.agents.take_back().await;
        }
        taken.map(|()| Given::All)
    }
}

async fn receive<T: serde::de::DeserializeOwned>(socket: &UnixStream) -> io::Result<T> {
    let (line, _) = socket.async_io(Interest::READABLE, || pass::receive(socket)).await?;
    Ok(line)
}
