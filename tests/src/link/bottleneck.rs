//! A link that is narrow: each way it takes so many bits a second, keeps what comes faster in a queue, and loses what no
//! longer fits there, and datagrams at random besides. It is Ethernet: what is larger than that carries is lost. Unlike
//! [`Weather`](super::Weather) it never reorders.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

use super::bind;

/// What a datagram takes of the link besides its payload: the heads of IPv4 and UDP, bytes.
const HEADS: usize = 28;

/// The largest payload that Ethernet carries: 1,500 bytes with these heads.
pub const ETHERNET: usize = 1_500 - HEADS;

/// What a link is like, either way.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Bits a second, heads of IPv4 and UDP counted.
    pub rate: f64,
    /// How long a datagram takes, besides what it waits.
    pub delay: Duration,
    /// Bytes that may wait.
    pub queue: usize,
    /// Share that is lost at random, of 1.
    pub loss: f64,
    /// What the random is drawn from.
    pub seed: u64,
}

/// What one direction has seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Passed {
    /// Datagrams that came to the link.
    pub came: u64,
    /// Of these, those that were lost at random.
    pub lost: u64,
    /// Of these, those that the queue had no room for.
    pub overran: u64,
    /// Of these, those that were too large.
    pub too_large: u64,
    /// How long those that went through have waited in the queue, all together.
    pub waited: Duration,
}

/// See the module's head. Between one agent and its relay; dropped, nothing goes through any more.
pub struct Bottleneck {
    address: SocketAddr,
    up: Arc<Mutex<Passed>>,
    _forwarding: AbortOnDropHandle<()>,
}

impl Bottleneck {
    /// To `relay`, from an address of this machine of its own.
    pub async fn new(relay: SocketAddr, shape: Shape) -> Self {
        let (front, back) = (Arc::new(bind().await), Arc::new(bind().await));
        let address = front.local_addr().unwrap();
        // Until the agent has said something, nobody answers it.
        let agent = Arc::new(Mutex::new(address));
        let up = Arc::default();
        let forwarding = {
            let (up, down, heard) = (Arc::clone(&up), Arc::default(), agent.clone());
            let to_relay = delivery(back.clone(), move || relay);
            let to_agent = delivery(front.clone(), move || *agent.lock().unwrap());
            let note = move |from| *heard.lock().unwrap() = from;
            let other = Shape { seed: shape.seed.wrapping_add(1), ..shape };
            async move {
                tokio::join!(admit(&front, shape, up, to_relay, note), admit(&back, other, down, to_agent, |_| {}),);
            }
        };
        Self { address, up, _forwarding: AbortOnDropHandle::new(tokio::spawn(forwarding)) }
    }

    /// Where the agent finds the relay.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has come from the agent.
    pub fn up(&self) -> Passed {
        *self.up.lock().unwrap()
    }
}

/// Takes what comes at `socket`, and says of what goes through when it arrives.
async fn admit(
    socket: &UdpSocket,
    shape: Shape,
    passed: Arc<Mutex<Passed>>,
    through: mpsc::Sender<(Instant, Vec<u8>)>,
    note: impl Fn(SocketAddr),
) {
    let mut dice = StdRng::seed_from_u64(shape.seed);
    let mut buffer = vec![0; 65_536];
    let time_of = |bytes: usize| Duration::from_secs_f64(bytes as f64 * 8.0 / shape.rate);
    let longest = time_of(shape.queue);
    let mut free = Instant::now();
    loop {
        // What the system says of an earlier datagram (nobody listens there) is not about this one.
        let Ok((len, from)) = socket.recv_from(&mut buffer).await else { continue };
        note(from);
        let now = Instant::now();
        let wait = free.saturating_duration_since(now);
        let takes = time_of(len + HEADS);
        // Always a throw: what one datagram meets says nothing of what the next ones do.
        let is_lost = dice.random::<f64>() < shape.loss;
        let mut passed = passed.lock().unwrap();
        passed.came += 1;
        if len > ETHERNET {
            passed.too_large += 1;
        } else if is_lost {
            passed.lost += 1;
        } else if wait + takes > longest {
            passed.overran += 1;
        } else {
            passed.waited += wait;
            free = now + wait + takes;
            let _ = through.send((free + shape.delay, buffer[..len].to_vec()));
        }
    }
}

/// Sends each datagram when its time has come, in the order in which they came. A thread, as it wakes up within some
/// hundredths of a millisecond and not at the next tick of tokio's clock; it ends with what is given back.
fn delivery(socket: Arc<UdpSocket>, to: impl Fn() -> SocketAddr + Send + 'static) -> mpsc::Sender<(Instant, Vec<u8>)> {
    let (sender, queue) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        for (due, datagram) in queue {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            // A full buffer of the receiver is a loss, as on any network.
            let _ = socket.try_send_to(&datagram, to());
        }
    });
    sender
}
