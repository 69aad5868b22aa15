//! What an agent is told: validated domain types, and the limits that only the agent has, with their defaults.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use gantz_shared::authority;
use gantz_shared::control::{Policy, Secret};
use gantz_shared::limits::DEFAULT_PORT;
use rustls::pki_types::CertificateDer;

use crate::calls::Calls;
use crate::fingerprint::Fingerprint;
use crate::upstream::Target;

/// How long requests in flight may go on after Ctrl-C.
pub const GRACE: Duration = Duration::from_secs(5);

/// Reconnecting: the first pause is drawn from up to this …
pub const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// … each further one from up to twice as much, and none from more than this.
pub const BACKOFF_MAX: Duration = Duration::from_secs(20);

/// How long QUIC has for itself before TCP is tried as well. A handshake of QUIC takes one round trip: who is that far
/// away has it through before TCP and TLS are.
pub const HEAD_START: Duration = Duration::from_millis(500);

/// Over TCP, because UDP did not get through: QUIC is tried again after this (it may have been one lost datagram) …
pub const QUIC_AGAIN_FIRST: Duration = Duration::from_secs(5);
/// … each time after twice as long, and at least this often.
pub const QUIC_AGAIN_MAX: Duration = Duration::from_secs(15 * 60);

/// How often it is looked whether this machine has another address, or has slept.
pub const LOOK_AROUND: Duration = Duration::from_secs(1);

/// The relay has not answered for so long, though it is asked for a sign every
/// [`gantz_shared::limits::KEEP_ALIVE_INTERVAL`]: another connection is tried, over TCP too, while this one may still come
/// to itself.
pub const SILENCE: Duration = Duration::from_secs(15);

/// A connection that the tunnel has moved away from is closed when nothing was to be done on it for so long.
pub const MOVED_IDLE: Duration = Duration::from_secs(1);

/// How long a request waits for a local server that refuses connections, as one does that is being restarted.
pub const UPSTREAM_HOLD: Duration = Duration::from_secs(1);

/// How often it is tried meanwhile.
pub const UPSTREAM_RETRY: Duration = Duration::from_millis(100);

/// Deadline of connecting to the local server.
pub const UPSTREAM_CONNECT: Duration = Duration::from_secs(5);

/// How long an idle connection to the local server is kept: less than the 5 s after which common servers (Node,
/// uvicorn) close it, so that no request meets a connection that is just being closed.
pub const UPSTREAM_IDLE: Duration = Duration::from_secs(3);

/// How long the local server may take for its answer's head, by default.
pub const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(300);

/// Everything an agent is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the relay is.
    pub relay: RelayAddress,
    /// What may carry the tunnel.
    pub transports: Transports,
    /// Over TCP because UDP did not get through: when QUIC is tried again for the first time.
    pub quic_again: Duration,
    /// Which certificate authorities are believed.
    pub trust: Trust,
    /// The relay's permission to open tunnels.
    pub access_key: Option<Secret>,
    /// The name the user asks for.
    pub name: Option<String>,
    /// The ticket of a tunnel that was: its name again, if the relay still knows the ticket.
    pub resume: Option<Secret>,
    /// Who may call.
    pub policy: Policy,
    /// The local server.
    pub target: Target,
    /// What the local server gets as `Host` instead of its own authority.
    pub host_header: Option<http::HeaderValue>,
    /// Fields that every request to the local server gets.
    pub upstream_headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// How long the local server may take for its answer's head; zero: as long as it likes.
    pub upstream_timeout: Duration,
    /// Where calls are written down. Whoever opened the file keeps it open until after the agent's end.
    pub calls: Calls,
}

impl Config {
    /// The defaults, for a relay and a local server; nobody may call yet.
    #[must_use]
    pub fn new(relay: RelayAddress, trust: Trust, target: Target) -> Self {
        Self {
            relay,
            transports: Transports::default(),
            quic_again: QUIC_AGAIN_FIRST,
            trust,
            access_key: None,
            name: None,
            resume: None,
            policy: Policy::default(),
            target,
            host_header: None,
            upstream_headers: Vec::new(),
            upstream_timeout: UPSTREAM_TIMEOUT,
            calls: Calls::default(),
        }
    }
}

/// What may carry a tunnel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transports {
    /// QUIC, and TCP where UDP does not get through.
    #[default]
    Auto,
    /// QUIC only.
    Quic,
    /// TLS over TCP only.
    Tcp,
}

/// `HOST[:PORT]` of a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayAddress {
    /// A DNS name, or an address (IPv6 without brackets).
    pub host: String,
    /// The UDP port.
    pub port: u16,
}

impl FromStr for RelayAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
        let (host, port) = authority::parse(bare)
            .map_err(|_| format!("`{text}` is not HOST[:PORT]; relay.example.com, or relay.example.com:8443"))?;
        let host = host.as_str().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: port.unwrap_or(DEFAULT_PORT) })
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Which certificate authorities are believed.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Those of the system.
    System,
    /// These only, for a relay with a CA of its own.
    Only(Vec<CertificateDer<'static>>),
    /// The one of this fingerprint only, which the relay sends.
    Fingerprint(Fingerprint),
}
