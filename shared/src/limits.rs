//! Every limit both ends know, by name. A limit that only one end has lives with that end's configuration.

use std::time::Duration;

/// The tunnel protocol's ALPN (RFC 7301). It carries the major version: an incompatible protocol gets another one.
pub const ALPN: &[u8] = b"gantz/1";

/// The port a relay listens on when none is given, TCP for the public and UDP for agents.
pub const DEFAULT_PORT: u16 = 443;

/// From the first QUIC packet to `welcome`, the whole handshake of a tunnel. A connection that needs longer is closed.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// How long opening a request stream may wait for the agent to grant one before the caller gets a 503.
pub const OPEN_STREAM_DEADLINE: Duration = Duration::from_secs(5);

/// Interval of the agent's signs of life: below the 30 s after which common NATs forget a UDP flow, and below the 5 s for
/// which a relay holds requests by default, so that one that was killed while nobody called is noticed in that time.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(4);

/// Silence after which either end gives a tunnel up (QUIC `max_idle_timeout`, RFC 9000 §10.1).
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Requests in flight a tunnel. Over QUIC the agent grants fewer at first, and more before they are needed (RFC 9000
/// §4.6).
pub const MAX_REQUEST_STREAMS: u32 = 1024;

/// Receive window of one stream, bytes: what one slow reader can make the other end hold.
///
/// It also bounds into how many pieces losses can cut what is held, of a packet each (1,200 bytes or more, RFC 9000
/// §14.1): fewer than 1,024, with more of which quinn gives the whole connection up (its `MAX_CHUNKS`).
pub const STREAM_WINDOW: u32 = 1 << 20;

/// Receive window of one tunnel, bytes, all its streams together.
pub const CONNECTION_WINDOW: u32 = 16 << 20;

/// Bytes a tunnel keeps that were written but not yet acknowledged.
pub const SEND_WINDOW: u64 = 16 << 20;

/// One control message, bytes of JSON.
pub const MAX_CONTROL_MESSAGE: usize = 64 << 10;

/// Payload of a `HEAD`, `INFO` or `END` frame, bytes.
pub const MAX_HEAD: usize = 64 << 10;

/// Field lines in one head or trailer section: as many as common servers take, and as hyper reads without a heap allocation.
pub const MAX_FIELDS: usize = 100;

/// Payload of one `DATA` frame, bytes. Longer bodies are more frames; a frame is never buffered whole.
pub const MAX_DATA: usize = 1 << 20;

/// Live tokens a tunnel. As many as one control message holds, with everything that can be said of each.
pub const MAX_TOKENS: usize = 128;

/// Length of a token's id or label, bytes.
pub const MAX_LABEL: usize = 64;

/// Origins a tunnel allows besides its own.
pub const MAX_ALLOWED_ORIGINS: usize = 64;

/// Shortest token that a user may bring, characters. Base64url carries 6 bits a character, so 22 of them can hold the
/// 128 bits below which guessing stops being hopeless (RFC 6750 §5.2 leaves the number to us; NIST SP 800-63B asks for
/// at least 64).
pub const MIN_TOKEN_LEN: usize = 22;

/// Longest token that is looked at, characters. A longer credential is refused without being hashed.
pub const MAX_TOKEN_LEN: usize = 512;

/// One DNS label (RFC 1035 §2.3.4).
pub const MAX_NAME_LEN: usize = 63;

/// Seconds that a caller is told to wait (`Retry-After`) when the agent or the local server is away for a moment.
pub const RETRY_AFTER_SECS: u32 = 2;
