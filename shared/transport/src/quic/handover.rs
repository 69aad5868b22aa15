//! The UDP socket of a relay, which another process can be given while connections go on over it.
//!
//! Two processes cannot read one socket: each would take the other's datagrams. So whoever gives it away first makes a
//! socket for each peer, bound to the same port and connected to that peer: the system gives a datagram to the socket that
//! matches best, and strangers' to the one that is given away. Sent is through that one all the same.

use std::collections::HashSet;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use gantz_shared::limits::IDLE_TIMEOUT;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime as _, UdpPoller};
use socket2::{Domain, Protocol, SockRef, Type};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::mtu::MOST;
use super::runtime::Runtime;

/// Datagrams of peers' own sockets that wait to be read; more are dropped, as by a socket whose buffer is full.
const WAITING: usize = 4096;

/// How long the main socket may take until all that has come is read: one that is flooded never is.
const EMPTY: Duration = Duration::from_secs(3);

/// A peer of which nothing came for so long has no connection any more, and needs no socket of its own.
const QUIET: Duration = IDLE_TIMEOUT.saturating_add(Duration::from_secs(5));

/// One end of a connection's path, as the endpoint knows it: the peer, and this side's address where the system says it.
pub type Path = (SocketAddr, Option<IpAddr>);

/// See the module's head.
#[derive(Debug)]
pub(super) struct Socket {
    main: Arc<dyn AsyncUdpSocket>,
    /// The same, to be given away.
    own: std::net::UdpSocket,
    /// Whether somebody else may be reading it: then it takes the longer way through `state`.
    is_shared: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Hears when nothing more is left to read of the main socket, which is not read any more from then on.
    emptied: Option<oneshot::Sender<()>>,
    /// The main socket is another's.
    is_away: bool,
    /// Who is read first changes each time: neither strangers nor peers can keep the others out.
    is_peers_turn: bool,
    peers: HashSet<SocketAddr>,
    /// Each ends with its peer.
    readers: JoinSet<SocketAddr>,
    datagrams: Option<(mpsc::Sender<Datagram>, mpsc::Receiver<Datagram>)>,
    /// The endpoint, which waits for datagrams.
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Datagram {
    path: Path,
    payload: Bytes,
}

impl Socket {
    pub(super) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let own = socket.try_clone()?;
        let main = Runtime { mtu: MOST }.wrap_udp_socket(socket)?;
        Ok(Self { main, own, is_shared: AtomicBool::new(false), state: Mutex::default() })
    }

    /// A copy for another process. From now on only what comes from `paths` is read here; everything, as before, where
    /// this fails.
    pub(super) async fn hand_over(&self, paths: Vec<Path>) -> io::Result<std::net::UdpSocket> {
        let given = timeout(EMPTY, self.give(paths)).await.unwrap_or_else(|_| {
            let why = format!("what came could not be read to its end within {EMPTY:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, why))
        });
        if given.is_err() {
            self.take_back();
        }
        given
    }

    async fn give(&self, paths: Vec<Path>) -> io::Result<std::net::UdpSocket> {
        let copy = self.own.try_clone()?;
        let (emptied, all_read) = oneshot::channel();
        {
            let mut state = self.state();
            self.connect(&mut state, paths)?;
            state.emptied = Some(emptied);
            self.is_shared.store(true, Ordering::Release);
            // What waits for the main socket only is to look at the others, too.
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
        }
        // The endpoint is gone with whoever asks: then there is nobody to give anything to.
        all_read.await.map_err(io::Error::other)?;
        Ok(copy)
    }

    /// The other process did not come to use it. Peers' own sockets are closed, with what has not been read of them.
    pub(super) fn take_back(&self) {
        let mut state = self.state();
        state.is_away = false;
        state.emptied = None;
        state.readers.abort_all();
        state.peers.clear();
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// Makes the peers' own sockets.
    fn connect(&self, state: &mut State, paths: Vec<Path>) -> io::Result<()> {
        let bound = self.own.local_addr()?;
        let sender = &state.datagrams.get_or_insert_with(|| mpsc::channel(WAITING)).0.clone();
        // Only now: while all sockets have it set, every process of this machine could bind the port.
        let main = SockRef::from(&self.own);
        main.set_reuse_address(true)?;
        while let Some(ended) = state.readers.try_join_next() {
            if let Ok(peer) = ended {
                state.peers.remove(&peer);
            }
        }
        for path in paths {
            if !state.peers.insert(path.0) {
                continue;
            }
            match connected(bound, path) {
                Ok(socket) => {
                    let sender = sender.clone();
                    state.readers.spawn(async move {
                        read(socket, path, sender).await;
                        path.0
                    });
                }
                // Its agent hears of the next packet that its connection is gone, and opens another.
                Err(error) => tracing::debug!(peer = %path.0, %error, "no socket of its own for a peer"),
            }
        }
        main.set_reuse_address(false)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all that has come is read. That nothing is ready only means that nothing new was told of.
    fn is_empty(&self) -> bool {
        // Any error is no datagram; mostly it is that there is none.
        SockRef::from(&self.own).peek(&mut [MaybeUninit::uninit()]).is_err()
    }

    fn poll_shared(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        state.is_peers_turn = !state.is_peers_turn;
        let peers_first = state.is_peers_turn;
        for peers in [peers_first, !peers_first] {
            let read = if peers {
                state.poll_peers(cx, bufs, meta).map(Ok)
            } else {
                self.poll_main(&mut state, cx, bufs, meta)
            };
            if read.is_ready() {
                return read;
            }
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The main socket, as long as it is this process's.
    fn poll_main(
        &self,
        state: &mut State,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if state.is_away {
            return Poll::Pending;
        }
        let read = self.main.poll_recv(cx, bufs, meta);
        if read.is_pending()
            && let Some(emptied) = state.emptied.take_if(|_| self.is_empty())
        {
            state.is_away = true;
            // Whoever waited for it may have gone.
            let _ = emptied.send(());
        }
        read
    }
}

impl State {
    /// Datagrams of peers' own sockets, as many as there are and there is room for.
    fn poll_peers(&mut self, cx: &mut Context<'_>, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> Poll<usize> {
        let Some((_, datagrams)) = &mut self.datagrams else { return Poll::Pending };
        let mut count = 0;
        for (buf, meta) in bufs.iter_mut().zip(meta) {
            match datagrams.poll_recv(cx) {
                Poll::Ready(Some(Datagram { path: (addr, dst_ip), payload })) => {
                    let len = payload.len().min(buf.len());
                    buf[..len].copy_from_slice(&payload[..len]);
                    *meta = RecvMeta { addr, len, stride: len, ecn: None, dst_ip };
                    count += 1;
                }
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        if count == 0 { Poll::Pending } else { Poll::Ready(count) }
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.main.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.main.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.is_shared.load(Ordering::Acquire) {
            return self.poll_shared(cx, bufs, meta);
        }
        let polled = self.main.poll_recv(cx, bufs, meta);
        if polled.is_pending() {
            let mut state = self.state();
            if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                state.waker = Some(cx.waker().clone());
            }
        }
        polled
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.main.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.main.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.main.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.main.may_fragment()
    }
}

/// A socket on the port of `bound` that hears only the peer of `path`.
fn connected(bound: SocketAddr, (peer, local): Path) -> io::Result<tokio::net::UdpSocket> {
    // Datagrams that are sent to another of this machine's addresses would not be this socket's.
    let mut here = SocketAddr::new(local.unwrap_or(bound.ip()), bound.port());
    if bound.is_ipv6()
        && let IpAddr::V4(v4) = here.ip()
    {
        here.set_ip(v4.to_ipv6_mapped().into());
    }
    let socket = socket2::Socket::new(Domain::for_address(here), Type::DGRAM, Some(Protocol::UDP))?;
    if here.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&here.into())?;
    socket.connect(&peer.into())?;
    socket.set_nonblocking(true)?;
    tokio::net::UdpSocket::from_std(socket.into())
}

/// Reads a peer's own socket until nothing comes any more.
async fn read(socket: tokio::net::UdpSocket, path: Path, datagrams: mpsc::Sender<Datagram>) {
    loop {
        // Reading what is there is no wait to tokio: whoever sends without a pause would have the thread to himself.
        tokio::task::coop::consume_budget().await;
        let Ok(ready) = timeout(QUIET, socket.readable()).await else { return };
        // Only now: there is a socket a peer.
        let mut buffer = [0; MOST as usize];
        match ready.and_then(|()| socket.try_recv_from(&mut buffer)) {
            Ok((len, from)) => {
                // Before it was connected it may have got somebody else's.
                let path = if from.ip().to_canonical() == path.0.ip().to_canonical() && from.port() == path.0.port() {
                    path
                } else {
                    (from, path.1)
                };
                let payload = Bytes::copy_from_slice(&buffer[..len]);
                if let Err(mpsc::error::TrySendError::Closed(_)) = datagrams.try_send(Datagram { path, payload }) {
                    return;
                }
            }
            // The peer's machine says that nobody listens: it may again.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return tracing::debug!(peer = %path.0, %error, "a peer's own socket failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_cannot_be_emptied_is_kept_for_everybody() {
        let bound = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        bound.set_nonblocking(true).unwrap();
        let address = bound.local_addr().unwrap();
        let socket = Socket::new(bound).unwrap();
        let [peer, stranger] = [(); 2].map(|()| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        // Nobody reads it meanwhile, as under a flood nobody comes to its end.
        let error = socket.hand_over(vec![(peer.local_addr().unwrap(), None)]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        assert!(socket.state().peers.is_empty());
        while socket.state().readers.try_join_next().is_some() || !socket.state().readers.is_empty() {
            tokio::task::yield_now().await;
        }

        // A whole batch, as the system may give several at once.
        let mut buffer = vec![0; MOST as usize * 64];
        for sender in [peer, stranger] {
            sender.send_to(b"hello", address).unwrap();
            let mut meta = [RecvMeta::default()];
            let read = poll_fn(|cx| socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buffer)], &mut meta));
            assert_eq!(read.await.unwrap(), 1);
            assert_eq!((&buffer[..meta[0].len], meta[0].addr), (&b"hello"[..], sender.local_addr().unwrap()));
        }
    }
}
