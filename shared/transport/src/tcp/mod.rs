//! TLS over TCP where UDP is blocked: HTTP/2 (RFC 9113) by h2 keeps the streams apart. Only an HTTP/2 client opens
//! streams, and it is the relay that opens request streams: so the agent dials, and then the relay is the client.
//!
//! ```text
//! relay                                            agent
//! POST /link     ──────▶  stream 1  ◀──────  200   no DATA; its trailers close the connection, with code and reason
//! POST /control  ──────▶  stream 3  ◀──────  200   the control stream
//! POST /stream   ──────▶  stream 5… ◀──────  200   a request
//!                                     PING         the agent's keep-alive
//! ```
//!
//! DATA are gantz's own frames, END_STREAM is a FIN, and RST_STREAM carries a
//! [`StreamCode`](gantz_shared::reset::StreamCode). HTTP/2 cannot end one half of a stream with a code and let the other
//! go on, as QUIC can: a reset ends both. What an agent does not need of a request's body it lets come, up to the stream's
//! window, until it has answered (RFC 9113 §8.1).

mod acceptor;
mod chunk;
mod codes;
mod dialer;
mod driver;
mod ear;
mod fan;
mod farewell;
mod io;
mod link;
mod recv;
mod send;
mod state;
mod wire;

pub use acceptor::Acceptor;
pub use dialer::Dialer;
pub(crate) use link::Link;
pub(crate) use recv::RecvHalf;
pub(crate) use send::SendHalf;

use std::time::Duration;

use gantz_shared::limits::{CONNECTION_WINDOW, IDLE_TIMEOUT, KEEP_ALIVE_INTERVAL, MAX_REQUEST_STREAMS};

/// The ALPN of gantz's protocol over TCP (RFC 7301): as [`gantz_shared::limits::ALPN`], with the version of how it is
/// carried.
pub const ALPN: &[u8] = b"gantz-tcp/1";

/// How long silence is borne.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Between two signs of life of the agent.
    pub keep_alive: Duration,
    /// Without a byte of the peer's, until it is given up.
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { keep_alive: KEEP_ALIVE_INTERVAL, idle: IDLE_TIMEOUT }
    }
}

/// Streams of one connection: requests, the control stream and the link.
const MAX_STREAMS: u32 = MAX_REQUEST_STREAMS + 2;

/// Payload of one DATA frame that is taken, bytes: what a PING or another stream's frame may have to wait for.
const MAX_FRAME: u32 = 64 << 10;

/// Bytes of one stream that wait for the socket: more do not make it faster, and others stand behind them.
const SEND_BUFFER: usize = 256 << 10;

/// A head is a path or a status, and trailers are a code and a reason: bytes as RFC 9113 §6.5.2 counts them.
const MAX_HEADERS: u32 = 4 << 10;

/// What frames of DATA may take up beside what is in them while nobody reads them, bytes as h2 counts: 256 less than
/// that for each smaller frame. Enough for a window full of events of 64 bytes that are not read.
const FRAMES_BUDGET: usize = 4 * CONNECTION_WINDOW as usize;

/// Streams that were reset here and are remembered, so that what is still under way to them is no mistake of the peer's,
/// and for how long.
const RESETS_REMEMBERED: usize = 8 * MAX_REQUEST_STREAMS as usize;
const RESET_MEMORY: Duration = Duration::from_secs(10);

/// Mistakes on single streams that a peer may make before it is the connection's end. Frames that come for a
/// stream that was reset longer ago than is remembered are some, too.
const MAX_MISTAKES: usize = 64 * MAX_REQUEST_STREAMS as usize;

/// The limits of an endpoint of h2's, which are the same for both roles.
macro_rules! limits {
    ($builder:expr) => {
        $builder
            .initial_window_size(gantz_shared::limits::STREAM_WINDOW)
            .initial_connection_window_size(gantz_shared::limits::CONNECTION_WINDOW)
            .max_frame_size($crate::tcp::MAX_FRAME)
            .max_header_list_size($crate::tcp::MAX_HEADERS)
            .max_send_buffer_size($crate::tcp::SEND_BUFFER)
            .data_frame_budget($crate::tcp::FRAMES_BUDGET)
            .max_concurrent_reset_streams($crate::tcp::RESETS_REMEMBERED)
            .reset_stream_duration($crate::tcp::RESET_MEMORY)
            .max_local_error_reset_streams(Some($crate::tcp::MAX_MISTAKES))
            .max_pending_accept_reset_streams($crate::tcp::RESETS_REMEMBERED)
    };
}
use limits;
