//! The UDP socket under an endpoint, as the system tells of it: what wakes this process, and how often it has to ask.
//!
//! quinn's own for tokio waits for room to send all the time. Linux says that there is room whenever a datagram has left the
//! socket's buffer, so that every one that is sent wakes its sender again, for nothing: a third of all wakes of a request.

use std::fmt::{self, Debug, Formatter};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use quinn::udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

/// Whether fewer datagrams than there was room for are all there were: so it is with `recvmmsg(2)`. Other systems hand
/// them over one by one.
const FEW_ARE_ALL: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Bytes that Linux hands over as one at most, of however many datagrams.
const MOST_AT_ONCE: usize = 64 << 10;

/// When a send is tried again where the system cannot be asked to tell of room, as when there are too many open files.
const TRY_AGAIN: Duration = Duration::from_millis(1);

/// See the module's head.
#[derive(Debug)]
pub(super) struct Udp {
    /// Waits for datagrams only.
    socket: AsyncFd<std::net::UdpSocket>,
    state: UdpSocketState,
    /// Bytes of payload that may come.
    mtu: u16,
    /// Whether a send has found no room, and nobody has heard since that there is some.
    is_full: AtomicBool,
    /// What they wait on who wait for room.
    full: Mutex<Weak<AsyncFd<std::net::UdpSocket>>>,
}

impl Udp {
    pub(super) fn new(socket: std::net::UdpSocket, mtu: u16) -> io::Result<Self> {
        // Sets what QUIC needs, and non-blocking.
        let state = UdpSocketState::new((&socket).into())?;
        let socket = waiting(socket, Interest::READABLE)?;
        Ok(Self { socket, state, mtu, is_full: AtomicBool::new(false), full: Mutex::default() })
    }

    /// Waits until there may be room to send.
    async fn room(self: Arc<Self>) {
        let told = match self.full() {
            Ok(full) => full.writable().await.map(|mut ready| ready.clear_ready()),
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            tracing::debug!(%error, "the system does not tell of room to send");
            sleep(TRY_AGAIN).await;
        }
    }

    /// The same socket once more, registered for as long as somebody waits for room: one for all.
    fn full(&self) -> io::Result<Arc<AsyncFd<std::net::UdpSocket>>> {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full) = full.upgrade() {
            return Ok(full);
        }
        let new = Arc::new(waiting(self.socket.get_ref().try_clone()?, Interest::WRITABLE)?);
        *full = Arc::downgrade(&new);
        Ok(new)
    }
}

/// Waits for `interest` alone, which tokio's own sockets cannot.
#[expect(
    deprecated,
    reason = "unsound only where a descriptor is closed or exchanged under it, which std's sockets never are"
)]
fn waiting(socket: std::net::UdpSocket, interest: Interest) -> io::Result<AsyncFd<std::net::UdpSocket>> {
    AsyncFd::with_interest(socket, interest)
}

impl AsyncUdpSocket for Udp {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room { udp: self, waits: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.state.send(self.socket.get_ref().into(), transmit);
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.is_full.store(true, Ordering::Release);
        }
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.socket.poll_read_ready(cx))?;
            let Ok(received) = ready.try_io(|socket| self.state.recv(socket.get_ref().into(), bufs, meta)) else {
                continue;
            };
            // What comes from here on is told anew: no need to ask whether there is more.
            if FEW_ARE_ALL && received.as_ref().is_ok_and(|count| *count < bufs.len().min(BATCH_SIZE)) {
                ready.clear_ready();
            }
            return Poll::Ready(received);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        // quinn has room for so many of the largest, 32 times.
        self.state.gro_segments().min(MOST_AT_ONCE.div_ceil(self.mtu.into()))
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

/// Waits for room to send, once a send has found none.
struct Room {
    udp: Arc<Udp>,
    waits: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl Debug for Room {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("waits", &self.waits.is_some()).finish_non_exhaustive()
    }
}

impl UdpPoller for Room {
    /// Never fails: a connection whose poller has failed would be gone, and nobody would be told.
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.udp.is_full.load(Ordering::Acquire) {
            let udp = self.udp.clone();
            let waits = self.waits.get_or_insert_with(|| Box::pin(udp.room()));
            ready!(waits.as_mut().poll(cx));
            self.udp.is_full.store(false, Ordering::Release);
        }
        self.waits = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::timeout;

    use super::*;

    fn udp() -> Arc<Udp> {
        Arc::new(Udp::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), 1_452).unwrap())
    }

    /// How many datagrams came at once.
    async fn receive(udp: &Udp, places: usize) -> usize {
        let mut buffers = vec![[0; 64]; places];
        let mut buffers: Vec<_> = buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
        let mut meta = vec![RecvMeta::default(); places];
        let received = poll_fn(|cx| udp.poll_recv(cx, &mut buffers, &mut meta));
        timeout(Duration::from_secs(10), received).await.expect("datagrams were lost").unwrap()
    }

    #[tokio::test]
    async fn no_datagram_is_forgotten_when_fewer_come_than_there_is_room_for() {
        let (here, there) = (udp(), std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        let address = here.local_addr().unwrap();
        for round in 0..100_usize {
            let sent = 1 + round % 7;
            for _ in 0..sent {
                there.send_to(b"datagram", address).unwrap();
            }
            let mut received = 0;
            while received < sent {
                received += receive(&here, 3).await;
            }
            assert_eq!(received, sent);
        }
    }

    #[tokio::test]
    async fn after_a_send_without_room_there_is_a_wait_for_room_and_then_none() {
        let here = udp();
        let mut rooms = [here.clone().create_io_poller(), here.clone().create_io_poller()];
        for _ in 0..3 {
            here.is_full.store(true, Ordering::Release);
            for room in &mut rooms {
                let room = poll_fn(|cx| room.as_mut().poll_writable(cx));
                timeout(Duration::from_secs(10), room).await.expect("nobody was told of room").unwrap();
            }
            assert!(!here.is_full.load(Ordering::Acquire));
        }
    }

    #[tokio::test]
    async fn without_such_a_send_nothing_is_asked_of_the_system() {
        let here = udp();
        let mut room = here.clone().create_io_poller();
        let waker = std::task::Waker::noop();
        assert!(room.as_mut().poll_writable(&mut Context::from_waker(waker)).is_ready());
    }
}
