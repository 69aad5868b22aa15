//! What a relay is told: validated domain types, and every limit that only the relay has, with its default.

mod acme;
mod domain;
mod limits;
mod rates;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use http::uri::Scheme;
use ipnet::IpNet;

pub use acme::{AcmeConfig, AcmeProof, DNS_LISTEN_RETRY, NAMES_PER_WEEK, NameChallenge};
pub use domain::Domain;
pub use limits::*;
pub use rates::*;

use crate::telemetry::Traces;

/// Everything a relay is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The domain under which tunnels get their names.
    pub domain: Domain,
    /// Scheme and port that the public uses, where they differ from the listener's (behind a proxy).
    pub public: Option<PublicOrigin>,
    /// Where the certificates come from.
    pub tls: TlsConfig,
    /// Which host leads where.
    pub routing: Routing,
    /// Who may open tunnels.
    pub access: Access,
    /// Where certificates and keys are kept; `None` keeps them in memory.
    pub state_dir: Option<PathBuf>,
    /// The file in which is written down who came and who was turned away; `None`: nowhere.
    pub audit_log: Option<PathBuf>,
    /// Peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Threads over which connections are spread, the one that starts the relay among them.
    pub workers: NonZeroUsize,
    /// How much callers and agents may take up, and for how long.
    pub limits: Limits,
    /// How often callers may call.
    pub rates: Rates,
    /// How long a request waits for an agent that is away for a moment.
    pub hold: Duration,
    /// How long a name that was wished for is kept for its last holder. One that the relay has drawn is kept for ever.
    pub keep_names: Duration,
    /// Whether another process may take this one's place, with the help of a socket in the state folder (Unix).
    pub can_be_taken_over: bool,
    /// Silence on an SSE answer after which a comment line is sent.
    pub sse_keep_alive: Duration,
    /// How long streams may finish after the relay was told to stop.
    pub drain: Duration,
    /// Where spans of requests go; `None`: nowhere. Whoever has started it ends it, after the relay.
    pub traces: Option<Traces>,
}

impl Config {
    /// The defaults, for `domain` with certificates from `tls`.
    #[must_use]
    pub fn new(domain: Domain, tls: TlsConfig) -> Self {
        Self {
            domain,
            public: None,
            tls,
            routing: Routing::Names,
            access: Access::Keys,
            state_dir: None,
            audit_log: None,
            trusted_proxies: Vec::new(),
            workers: NonZeroUsize::MIN,
            limits: Limits::default(),
            rates: Rates::default(),
            hold: Duration::from_secs(5),
            keep_names: Duration::from_secs(24 * 60 * 60),
            can_be_taken_over: false,
            sse_keep_alive: Duration::from_secs(15),
            drain: Duration::from_secs(30),
            traces: None,
        }
    }
}

/// How the public reaches the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicOrigin {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// The port.
    pub port: u16,
}

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsConfig {
    /// A local CA, kept in the state folder.
    SelfSigned,
    /// A certificate chain and its key, in PEM files that are watched.
    Files {
        /// The chain, leaf first.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// Ordered from a certificate authority, and renewed.
    Acme(AcmeConfig),
    /// No TLS for the public: something in front ends it. Agents still get a certificate of the local CA.
    Off,
}

/// Who may open tunnels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Agents with an access key.
    Keys,
    /// Every agent that reaches the relay.
    Open,
}

/// Which host leads where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// `<name>.<domain>` is a tunnel, the domain itself is the relay.
    Names,
    /// Every name of this machine is the one tunnel: the agent's embedded relay.
    Single,
}
