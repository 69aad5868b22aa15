//! What callers and agents may take up, and for how long.

use std::num::NonZeroUsize;
use std::time::Duration;

use gantz_shared::limits::{MAX_FIELDS, MAX_HEAD, MAX_REQUEST_STREAMS};
use gantz_shared::rate::Rate;

/// Limits that an operator sets: each is a flag of `gantz-relay serve`, and the default is enough for a relay on a small
/// machine. Over a limit, new work is refused, or waits; what is running goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections of the public that are open at once. Each costs about 20 KiB while idle. Over it, callers wait in the
    /// system's backlog.
    pub connections: usize,
    /// Of these, from one source: an address, or a /64 of IPv6. Trusted proxies are not counted. Over it, a connection
    /// is closed before its first byte.
    pub connections_per_source: usize,
    /// Tunnels that are open at once. Over it, agents are refused.
    pub tunnels: usize,
    /// Of these, and of handshakes that are to become one, from one source.
    pub tunnels_per_source: usize,
    /// Agents that are in their handshake at once, without a proof that they receive at their address. Over it, they
    /// have to prove it first (RFC 9000 §8.1.2).
    pub handshakes: usize,
    /// Requests in flight, a tunnel; at most [`MAX_REQUEST_STREAMS`]. Over it they wait for a moment, and are then
    /// answered with 503.
    pub requests: usize,
    /// Requests in flight, an HTTP/2 connection (RFC 9113 §5.1.2).
    pub streams: u32,
    /// Answers that their callers do not read ([`UNREAD_AFTER`]), of all tunnels; each holds up to
    /// [`gantz_shared::limits::STREAM_WINDOW`] bytes. Over it, the tunnel with the most of them loses its oldest.
    pub unread: usize,
    /// Bytes of a request's head, with its first line; at most [`MAX_HEAD`].
    pub head: usize,
    /// Field lines of a request's head; at most [`MAX_FIELDS`].
    pub fields: usize,
    /// Bytes of a request's body; 0: no limit.
    pub body: u64,
    /// What an HTTP/2 connection may cost.
    pub http2: Http2Limits,
    /// Callers that dawdle.
    pub deadlines: Deadlines,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_source: 1_000,
            tunnels: 20_000,
            tunnels_per_source: 1_000,
            handshakes: 64,
            requests: MAX_REQUEST_STREAMS as usize,
            streams: 256,
            unread: 1024,
            head: MAX_HEAD,
            fields: MAX_FIELDS,
            body: 16 << 20,
            http2: Http2Limits::default(),
            deadlines: Deadlines::default(),
        }
    }
}

/// What an HTTP/2 connection may cost, beside its [`streams`](Limits::streams) and the [`head`](Limits::head) of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2Limits {
    /// Receive window of a stream, bytes (RFC 9113 §5.2): what a caller may send of a body before any of it is taken.
    pub stream_window: u32,
    /// Receive window of a connection, bytes, all its streams together.
    pub connection_window: u32,
    /// Streams that a caller may have had reset before the connection is closed (CVE-2023-44487, CVE-2025-8671): by
    /// itself, before they were looked at, or by the relay, for an error that the caller made.
    pub resets: usize,
    /// Frames that carry nothing (PING, SETTINGS, PRIORITY, …) which a caller may send before its connection is closed
    /// (CVE-2019-9512, -9513, -9515, -9518). What goes over the connection for real allows more of them.
    pub idle_frames: Rate,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            stream_window: 1 << 20,
            connection_window: 4 << 20,
            resets: 64,
            idle_frames: Rate::per_second(100, 1_000),
        }
    }
}

/// How long a caller may take for what. None of them is for a whole request: whoever gets on is not cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// The TLS handshake.
    pub handshake: Duration,
    /// From the handshake to the first byte of a request; HTTP/2: to the end of the preface (RFC 9113 §3.4).
    pub first_byte: Duration,
    /// From the first byte of a request's head to its end. Answered with 408; HTTP/2, where half a head keeps all other
    /// frames from coming: the connection is closed.
    pub head: Duration,
    /// From the end of an answer to the first byte of the next request; HTTP/2: without a request in flight.
    pub idle: Duration,
    /// Without a byte of a request's body that the local server waits for.
    pub body: Duration,
    /// Without a byte that a caller takes of an answer that is there.
    pub reader: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            head: Duration::from_secs(30),
            idle: Duration::from_secs(120),
            body: Duration::from_secs(60),
            reader: Duration::from_secs(60),
        }
    }
}

/// Tunnels from one source where everybody may open some (`--access open`), unless the operator says another number.
pub const OPEN_TUNNELS_PER_SOURCE: usize = 20;

/// HTTP/2: interval of keep-alive pings, and how long their answer may take.
pub const H2_PING_INTERVAL: Duration = Duration::from_secs(30);
/// See [`H2_PING_INTERVAL`].
pub const H2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// HTTP/2: bytes of answers that a connection holds for a slow reader, per stream.
pub const H2_SEND_BUFFER: usize = 256 << 10;

/// How long a caller may take nothing of an answer before the answer counts as unread: from then on it has a window of
/// its own in the tunnel, because the window of the tunnel is for all of its callers.
pub const UNREAD_AFTER: Duration = Duration::from_millis(250);

/// Unread answers of one tunnel that have such a window, of [`gantz_shared::limits::STREAM_WINDOW`] bytes.
pub const MAX_UNREAD: usize = 16;

/// Threads over which a relay can be told to spread its connections.
pub const MAX_WORKERS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// How long a caller may take nothing when there are more than [`MAX_UNREAD`]: then those that were not read for longest
/// are given up. Longer than the pauses of a caller on a slow line, whose system takes what it has room for at once.
pub const UNREAD_PATIENCE: Duration = Duration::from_secs(10);

/// Send buffer of a connection from this machine or from a trusted proxy, bytes. There the system would take megabytes
/// at once, for which a slow caller behind a proxy then needs longer than it may take nothing; and with a round trip
/// that short no more is needed for any speed.
pub const NEAR_SEND_BUFFER: usize = 256 << 10;

/// Requests that wait at once for an agent that is away for a moment; further ones get their 503 without a wait.
pub const MAX_HELD: usize = 1024;

/// Of these, from one address (IPv6: one /64).
pub const MAX_HELD_PER_SOURCE: usize = 256;

/// What the callers of all of these may send of their bodies meanwhile, bytes. A request that would be more is not held.
pub const MAX_HELD_BODIES: usize = 64 << 20;

/// How long an agent that went without a goodbye counts as away: its callers are told to come back, with 503, and not
/// that there is no such tunnel.
pub const AWAY_KEPT: Duration = Duration::from_secs(60 * 60);

/// Names that are kept for holders that have gone. Where it is too many, the network for which the most are kept loses
/// its oldest.
pub const MAX_KEPT: usize = 10_000;

/// How long after a restart a name that is not known may be one whose agent has not come back yet: until then it is
/// waited for, and then answered with 503 and not with 404, which clients take for the end of their session. An agent
/// notices within [`gantz_shared::limits::IDLE_TIMEOUT`], and then tries at least every 20 s.
pub const RETURN_WINDOW: Duration = Duration::from_secs(60);

/// How often a tunnel whose tokens die looks at the clock, which may have been set.
pub const CLOCK_LOOK: Duration = Duration::from_secs(4);

/// How long to wait for the server's 100 before a caller that asked for one is told to go on (RFC 9110 §10.1.1).
pub const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// How long, and for how many bytes, the body of a request that has been answered already is read over, so that an
/// HTTP/1 caller that sends first and reads later gets to its answer.
pub const LINGER: Duration = Duration::from_secs(10);
/// See [`LINGER`].
pub const LINGER_BYTES: u64 = 64 << 20;

/// How long the same is done on a stream of HTTP/2. Behind it comes the reset that says to a caller that it may stop, and
/// leaves the answer whole (RFC 9113 §8.1): the time is for callers that read only when they have sent what they had.
pub const H2_LINGER: Duration = Duration::from_secs(1);

/// How often the relay looks whether files have changed that others write: those of `--tls files`, and the key of its
/// tickets.
pub const FILE_POLL: Duration = Duration::from_secs(2);
