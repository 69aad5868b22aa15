//! Where this machine is in the network, and whether it has slept: what a tunnel had better not find out by its silence.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use gantz_transport::Connection;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::config::{LOOK_AROUND, SILENCE};

/// The wall clock is ahead of the one that stands still while the machine sleeps by so much: it has slept, or the clock
/// was set.
const SLEPT: Duration = Duration::from_secs(5);

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Whereabouts {
    relay: SocketAddr,
    /// From which address the system sends to the relay; none where there is no way to it.
    address: Option<IpAddr>,
    looked: (Instant, SystemTime),
    /// However often the waiting is begun anew.
    looks: Interval,
}

impl Whereabouts {
    pub(crate) fn new(relay: SocketAddr) -> Self {
        let mut looks = interval(LOOK_AROUND);
        // After a sleep once is enough.
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { relay, address: address(relay), looked: (Instant::now(), SystemTime::now()), looks }
    }

    /// Waits until this machine reaches the relay from another address, or again, or has woken. Cancel-safe.
    pub(crate) async fn changed(&mut self) -> &'static str {
        loop {
            self.looks.tick().await;
            let now = (Instant::now(), SystemTime::now());
            let before = std::mem::replace(&mut self.looked, now);
            // An error is a clock that was set back.
            let passed = now.1.duration_since(before.1).unwrap_or_default();
            let has_slept = passed > now.0.duration_since(before.0) + SLEPT;
            let address = address(self.relay);
            let has_moved = std::mem::replace(&mut self.address, address) != address;
            match address {
                Some(_) if has_moved => return "the network has changed",
                Some(_) if has_slept => return "the machine has slept",
                _ => {}
            }
        }
    }
}

/// Waits until the relay has not answered for [`SILENCE`]. What it says by itself is no answer: perhaps nothing gets to it
/// any more. Cancel-safe.
pub(crate) async fn silent(connection: &Connection) {
    // What had been acknowledged, and asked, when the last acknowledgement was seen; and since when another one is due.
    let (mut seen, mut due) = (connection.quic_heard(), None::<Instant>);
    loop {
        tokio::time::sleep(LOOK_AROUND).await;
        let heard = connection.quic_heard();
        match (seen, heard) {
            (Some(before), Some(now)) if now.acknowledgements == before.acknowledgements => {
                if now.asked > before.asked && due.get_or_insert_with(Instant::now).elapsed() >= SILENCE {
                    return;
                }
            }
            _ if connection.quiet_for().is_some_and(|quiet| quiet >= SILENCE) => return,
            _ => (seen, due) = (heard, None),
        }
    }
}

/// From which address the system would send. Nothing is sent.
fn address(relay: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = if relay.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(relay).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
