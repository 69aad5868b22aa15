//! The agents' side: accepts QUIC connections, greets agents, and keeps each tunnel's control stream.

mod figures;
mod greeting;
mod listener;
mod moves;
mod pulse;
mod session;
mod ticket;
mod title;
mod tokens;
mod tunnel;
mod unread;

pub(crate) use figures::Figures;
pub(crate) use listener::{Door, OverTcp, Ways, door, serve};
pub(crate) use moves::{Moves, Roster, moves};
pub(crate) use ticket::{KeyDigest, Tickets, rotate as rotate_tickets};
pub(crate) use title::{Standing, Title};
pub(crate) use tokens::{Admission, Token};
pub(crate) use tunnel::{OpenError, Stream, Tunnel};
pub(crate) use unread::{AllUnread, Unread};

use std::sync::Arc;

use crate::access::Keys;
use crate::audit::Log;
use crate::config::{Limits, Rates};
use crate::directory::{Departure, Directory};
use crate::metrics::Metrics;
use crate::rates::PerSource;
use crate::sources::Sources;
use crate::tls::Current;

/// What greeting an agent needs to know.
pub(crate) struct Greeter {
    /// Who may open tunnels; none: everybody.
    pub(crate) keys: Option<Keys>,
    /// Who holds which name.
    pub(crate) directory: Arc<dyn Directory>,
    /// Makes and checks resume tickets.
    pub(crate) tickets: Arc<Tickets>,
    /// `scheme://*.domain[:port]`, the star standing for the name; without a star it is the origin of every tunnel.
    pub(crate) origin: String,
    pub(crate) limits: Limits,
    /// How often callers may call.
    pub(crate) rates: Rates,
    /// The answers that nobody reads.
    pub(crate) unread: Arc<AllUnread>,
    /// Where tunnels come from.
    pub(crate) sources: Sources,
    /// How often tokens may change.
    pub(crate) changes: PerSource,
    /// The tunnels that are open.
    pub(crate) roster: Roster,
    /// What callers are shown: a name may need a certificate of its own.
    pub(crate) certificates: Arc<Current>,
    /// Where it is written down who came.
    pub(crate) audit: Log,
    /// Where it is counted.
    pub(crate) metrics: Arc<Metrics>,
}

impl Greeter {
    /// Ends a tunnel's claim to its name.
    fn release(&self, tunnel: &Tunnel, departure: Departure) {
        self.directory.release(tunnel, departure);
        tunnel.set_ended();
    }
}
