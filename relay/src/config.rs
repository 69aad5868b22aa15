//! What a relay is told: validated domain types, and every limit that only the relay has, with its default.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use gantz_shared::authority;
use gantz_shared::rate::Rate;
use http::uri::Scheme;
use ipnet::IpNet;

/// Connections of the public that are open at once. Each costs about 20 KiB while idle; work beyond is not begun.
pub const MAX_CONNECTIONS: usize = 10_000;

/// Tunnels that are open at once.
pub const MAX_TUNNELS: usize = 20_000;

/// Agents that are in their handshake at once; from then on an agent has to prove its address first (RFC 9000 §8.1).
pub const MAX_UNVALIDATED_HANDSHAKES: usize = 64;

/// Deadline of the TLS handshake of the public.
pub const TLS_HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Deadline of an HTTP/1 request head, from its first byte, or from the end of the request before it.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(30);

/// HTTP/2: streams a connection (RFC 9113 §5.1.2).
pub const H2_MAX_STREAMS: u32 = 256;

/// HTTP/2: interval of keep-alive pings, and how long their answer may take.
pub const H2_PING_INTERVAL: Duration = Duration::from_secs(30);
/// See [`H2_PING_INTERVAL`].
pub const H2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// HTTP/2: receive window of a stream and of a connection, bytes.
pub const H2_STREAM_WINDOW: u32 = 1 << 20;
/// See [`H2_STREAM_WINDOW`].
pub const H2_CONNECTION_WINDOW: u32 = 4 << 20;

/// HTTP/2: bytes of answers that a connection holds for a slow reader, per stream.
pub const H2_SEND_BUFFER: usize = 256 << 10;

/// HTTP/2: how long an answer that is there waits for its reader to grant one byte more, before its stream is reset. It
/// takes up the tunnel's window, which all of the tunnel's callers share.
pub const H2_READER_DEADLINE: Duration = Duration::from_secs(30);

/// HTTP/2: streams that a peer may have had reset before the connection is closed (CVE-2023-44487, CVE-2025-8671).
pub const H2_MAX_RESETS: usize = 64;

/// Bytes of a request head, HTTP/1 and HTTP/2.
pub const MAX_REQUEST_HEAD: usize = 64 << 10;

/// Requests that wait at once for an agent that is away for a moment; further ones get their 503 without a wait.
pub const MAX_HELD: usize = 1024;

/// How long a name is kept for an agent that went without a goodbye, and how many are kept.
pub const AWAY_KEPT: Duration = Duration::from_secs(60 * 60);
/// See [`AWAY_KEPT`].
pub const MAX_AWAY: usize = 10_000;

/// How long after a restart a name that is not known may be one whose agent has not come back yet: until then it is
/// waited for, and then answered with 503 and not with 404, which clients take for the end of their session. An agent
/// notices within [`gantz_shared::limits::IDLE_TIMEOUT`], and then tries at least every 20 s.
pub const RETURN_WINDOW: Duration = Duration::from_secs(60);

/// How often a token may be used, unless its owner says otherwise: far more than a client does, and less than would
/// keep a small relay from its other tunnels.
pub const TOKEN_RATE: Rate = Rate::per_second(5_000, 10_000);

/// How often a tunnel may be called, by all of its callers together.
pub const TUNNEL_RATE: Rate = Rate::per_second(10_000, 20_000);

/// How often one source may show a wrong token: a person mends a configuration in less, and a guess is worth nothing
/// at this rate.
pub const GUESS_RATE: Rate = Rate::per_second(1, 30);

/// Sources whose wrong tokens are counted; the one that was not seen for longest is forgotten for another.
pub const MAX_GUESSERS: NonZeroUsize = match NonZeroUsize::new(10_000) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};

/// How often a tunnel whose tokens die looks at the clock, which may have been set.
pub const CLOCK_LOOK: Duration = Duration::from_secs(4);

/// How long to wait for the server's 100 before a caller that asked for one is told to go on (RFC 9110 §10.1.1).
pub const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// How long, and for how many bytes, the body of a request that has been answered already is read over, so that an
/// HTTP/1 caller that sends first and reads later gets to its answer.
pub const LINGER: Duration = Duration::from_secs(10);
/// See [`LINGER`].
pub const LINGER_BYTES: u64 = 64 << 20;

/// How often `--tls files` looks whether its files have changed.
pub const CERTIFICATE_POLL: Duration = Duration::from_secs(2);

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
    /// Where certificates and keys are kept; `None` keeps them in memory.
    pub state_dir: Option<PathBuf>,
    /// The file in which is written down who came and who was turned away; `None`: nowhere.
    pub audit_log: Option<PathBuf>,
    /// Peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Largest request body, bytes; 0: no limit.
    pub max_body: u64,
    /// How often callers may call.
    pub rates: Rates,
    /// How long a request waits for an agent that is away for a moment.
    pub hold: Duration,
    /// Silence on an SSE answer after which a comment line is sent.
    pub sse_keep_alive: Duration,
    /// How long streams may finish after the relay was told to stop.
    pub drain: Duration,
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
            state_dir: None,
            audit_log: None,
            trusted_proxies: Vec::new(),
            max_body: 16 << 20,
            rates: Rates::default(),
            hold: Duration::from_secs(5),
            sse_keep_alive: Duration::from_secs(15),
            drain: Duration::from_secs(30),
        }
    }
}

/// How often callers may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Calls with one token, unless its owner gave it a rate of its own.
    pub token: Rate,
    /// Calls of one tunnel.
    pub tunnel: Rate,
    /// Wrong tokens from one source.
    pub guess: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self { token: TOKEN_RATE, tunnel: TUNNEL_RATE, guess: GUESS_RATE }
    }
}

/// A DNS name in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// Takes a domain as an operator writes it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = authority::parse(text)
            .map_err(|_| format!("`{text}` is not a DNS name; a domain such as relay.example.com"))?;
        if port.is_some() {
            return Err(format!("`{text}` has a port; the domain alone, and the port with --listen or --public-url"));
        }
        let host = host.as_str();
        if host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(format!("`{text}` is an address, and tunnels are names; a domain such as relay.example.com"));
        }
        // No certificate is issued for other characters, which DNS itself would take (RFC 5280 §4.2.1.6).
        let is_label = |label: &str| !label.starts_with('-') && !label.ends_with('-') && !label.contains('_');
        if !host.split('.').all(is_label) {
            return Err(format!("`{text}` is not a host name; a domain such as relay.example.com"));
        }
        Ok(Self(host.to_owned()))
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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
    /// No TLS for the public: something in front ends it. Agents still get a certificate of the local CA.
    Off,
}

/// Which host leads where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// `<name>.<domain>` is a tunnel, the domain itself is the relay.
    Names,
    /// Every name of this machine is the one tunnel: the agent's embedded relay.
    Single,
}
