//! A network between agent and relay that loses, delays, doubles, reorders and holds back datagrams, and hinders streams of
//! TCP: a forwarder in user space, because not every kernel has `netem`. To the relay, each agent behind it is a port of its
//! own.

mod bottleneck;
mod stream;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

pub use self::bottleneck::{Bottleneck, Passed, Shape};
pub use self::stream::{Course, Step, calm};

/// The largest payload of a datagram that Ethernet carries: 1,500 bytes with the heads of IPv4 and UDP.
pub const ETHERNET: usize = 1_500 - 28;

/// Which way a datagram, or a piece of a stream, goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From an agent to the relay.
    Up,
    /// From the relay to an agent.
    Down,
}

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Arrives,
    /// It is lost.
    Lost,
    /// It arrives later, behind others.
    Late(Duration),
    /// It arrives twice.
    Twice,
}

/// Decides what becomes of a datagram.
pub type Weather = Box<dyn FnMut(Way, &[u8]) -> Fate + Send>;

/// See the module's head. Dropped, nothing goes through any more.
pub struct Link {
    address: SocketAddr,
    inner: Arc<Inner>,
    _forwarding: [AbortOnDropHandle<()>; 2],
}

struct Inner {
    front: Arc<UdpSocket>,
    relay: SocketAddr,
    weather: Mutex<Weather>,
    course: Arc<Mutex<Course>>,
    /// The relay's side of each agent.
    agents: Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>,
    /// Counts the changes of address.
    moved: tokio::sync::watch::Sender<u64>,
}

/// Everything arrives.
pub fn fair() -> Weather {
    Box::new(|_, _| Fate::Arrives)
}

/// Nothing does.
pub fn blocked() -> Weather {
    Box::new(|_, _| Fate::Lost)
}

impl Link {
    /// To `relay`, and over TCP to `edge`, from an address of this machine of its own.
    pub async fn new(relay: SocketAddr, edge: SocketAddr, weather: Weather) -> Self {
        let (front, tcp) = both().await;
        let address = front.local_addr().unwrap();
        let agents = Mutex::default();
        let moved = tokio::sync::watch::Sender::default();
        let course = Arc::new(Mutex::new(calm()));
        let carrying = tokio::spawn(stream::carry(tcp, edge, course.clone()));
        let inner = Arc::new(Inner { front, relay, weather: Mutex::new(weather), course, agents, moved });
        let forwarding = [tokio::spawn(forward(inner.clone())), carrying];
        Self { address, inner, _forwarding: forwarding.map(AbortOnDropHandle::new) }
    }

    /// Where agents find the relay.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the weather is this.
    pub fn set(&self, weather: Weather) {
        *self.inner.weather.lock().unwrap() = weather;
    }

    /// From now on this becomes of TCP.
    pub fn set_tcp(&self, course: Course) {
        *self.inner.course.lock().unwrap() = course;
    }

    /// Every agent gets another address, as when a NAT forgets it.
    pub fn rebind(&self) {
        self.inner.agents.lock().unwrap().clear();
        self.inner.moved.send_modify(|moved| *moved += 1);
    }
}

/// One port for both.
async fn both() -> (Arc<UdpSocket>, TcpListener) {
    loop {
        let udp = bind().await;
        // Somebody else may have the number there.
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (Arc::new(udp), tcp);
        }
    }
}

async fn bind() -> UdpSocket {
    let socket = gantz_transport::quic::bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = UdpSocket::from_std(socket).unwrap();
    // Until then tokio would take it for full.
    socket.writable().await.unwrap();
    socket
}

/// Takes what agents send.
async fn forward(inner: Arc<Inner>) {
    let mut returns = JoinSet::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let received = tokio::select! {
            received = inner.front.recv_from(&mut buffer) => received,
            Some(_) = returns.join_next() => continue,
        };
        // What the system says of an earlier datagram (nobody listens there) is not about this one.
        let Ok((len, agent)) = received else { continue };
        let known = inner.agents.lock().unwrap().get(&agent).cloned();
        let back = match known {
            Some(back) => back,
            None => {
                let back = Arc::new(bind().await);
                inner.agents.lock().unwrap().insert(agent, back.clone());
                returns.spawn(give_back(inner.clone(), back.clone(), agent));
                back
            }
        };
        inner.send(Way::Up, buffer[..len].to_vec(), back, inner.relay);
    }
}

/// Takes what the relay sends to one agent, until that has another address.
async fn give_back(inner: Arc<Inner>, back: Arc<UdpSocket>, agent: SocketAddr) {
    let mut moved = inner.moved.subscribe();
    let mut buffer = vec![0; 65_536];
    loop {
        tokio::select! {
            received = back.recv_from(&mut buffer) => {
                if let Ok((len, _)) = received {
                    inner.send(Way::Down, buffer[..len].to_vec(), inner.front.clone(), agent);
                }
            }
            _ = moved.changed() => return,
        }
    }
}

impl Inner {
    fn send(&self, way: Way, datagram: Vec<u8>, socket: Arc<UdpSocket>, to: SocketAddr) {
        let copies = match (self.weather.lock().unwrap())(way, &datagram) {
            Fate::Lost => return,
            Fate::Arrives => 1,
            Fate::Twice => 2,
            Fate::Late(delay) => {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    // A full buffer is a loss, as on any network.
                    let _ = socket.try_send_to(&datagram, to);
                });
                return;
            }
        };
        for _ in 0..copies {
            let _ = socket.try_send_to(&datagram, to);
        }
    }
}
