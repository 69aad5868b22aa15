//! The flags of `gantz-relay serve` that limit what callers and agents may take up.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use gantz_shared::limits::{MAX_FIELDS, MAX_HEAD, MAX_REQUEST_STREAMS};
use gantz_shared::rate::Rate;

use super::args::{AccessArg, deadline};
use crate::config::{
    Deadlines, GUESS_RATE, Http2Limits, Limits, MISSING_TOKEN_RATE, OPEN_TUNNELS_PER_SOURCE, Rates, TOKEN_RATE,
    TUNNEL_RATE,
};

/// Each has an environment variable.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArgs {
    /// Connections of the public that are open at once; over it, callers wait
    #[arg(long, env = "GANTZ_RELAY_MAX_CONNECTIONS", default_value_t = Limits::default().connections, value_name = "NUMBER", value_parser = count)]
    max_connections: usize,
    /// Of these, from one address (IPv6: one /64) that is no trusted proxy; over it, they are closed
    #[arg(long, env = "GANTZ_RELAY_MAX_CONNECTIONS_PER_SOURCE", default_value_t = Limits::default().connections_per_source, value_name = "NUMBER", value_parser = count)]
    max_connections_per_source: usize,
    /// Tunnels that are open at once; over it, agents are refused
    #[arg(long, env = "GANTZ_RELAY_MAX_TUNNELS", default_value_t = Limits::default().tunnels, value_name = "NUMBER", value_parser = count)]
    max_tunnels: usize,
    /// Of these, from one address (IPv6: one /64) [default: 1000; with --access open: 20]
    #[arg(long, env = "GANTZ_RELAY_MAX_TUNNELS_PER_SOURCE", value_name = "NUMBER", value_parser = count)]
    max_tunnels_per_source: Option<usize>,
    /// Agents in their handshake at once before they have to prove their address, and then from one address
    #[arg(long, env = "GANTZ_RELAY_MAX_HANDSHAKES", default_value_t = Limits::default().handshakes, value_name = "NUMBER", value_parser = count)]
    max_handshakes: usize,
    /// Requests in flight, a tunnel; over it, they wait for a moment
    #[arg(long, env = "GANTZ_RELAY_MAX_REQUESTS", default_value_t = Limits::default().requests, value_name = "NUMBER", value_parser = requests)]
    max_requests: usize,
    /// Requests in flight, an HTTP/2 connection
    #[arg(long, env = "GANTZ_RELAY_MAX_STREAMS", default_value_t = Limits::default().streams, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    max_streams: u32,
    /// Answers that their callers do not read, in all, of up to 1 MiB each; over it, the tunnel with the most loses its oldest
    #[arg(long, env = "GANTZ_RELAY_MAX_UNREAD", default_value_t = Limits::default().unread, value_name = "NUMBER", value_parser = count)]
    max_unread: usize,
    /// Largest head of a request, with its first line
    #[arg(long, env = "GANTZ_RELAY_MAX_HEAD", default_value = "64KiB", value_name = "SIZE", value_parser = head)]
    max_head: ByteSize,
    /// Field lines of a request's head
    #[arg(long, env = "GANTZ_RELAY_MAX_FIELDS", default_value_t = Limits::default().fields, value_name = "NUMBER", value_parser = fields)]
    max_fields: usize,
    /// Largest request body; 0: no limit
    #[arg(long, env = "GANTZ_RELAY_MAX_BODY", default_value = "16MiB", value_name = "SIZE", value_parser = size)]
    max_body: ByteSize,
    /// HTTP/2: what of a body a caller may send before any of it is taken, a stream
    #[arg(long, env = "GANTZ_RELAY_HTTP2_STREAM_WINDOW", default_value = "1MiB", value_name = "SIZE", value_parser = window)]
    http2_stream_window: u32,
    /// HTTP/2: the same of all bodies together, a connection
    #[arg(long, env = "GANTZ_RELAY_HTTP2_CONNECTION_WINDOW", default_value = "4MiB", value_name = "SIZE", value_parser = window)]
    http2_connection_window: u32,
    /// HTTP/2: streams that a caller may have had reset before they did anything, a connection; over it, it is closed
    #[arg(long, env = "GANTZ_RELAY_HTTP2_MAX_RESETS", default_value_t = Http2Limits::default().resets, value_name = "NUMBER", value_parser = count)]
    http2_max_resets: usize,
    /// HTTP/2: frames that bring nothing (PING, SETTINGS, …), a connection; over it, it is closed
    #[arg(long, env = "GANTZ_RELAY_HTTP2_IDLE_FRAMES", default_value_t = Http2Limits::default().idle_frames, value_name = "RATE")]
    http2_idle_frames: Rate,
    /// How long a TLS handshake may take
    #[arg(long, env = "GANTZ_RELAY_HANDSHAKE_TIMEOUT", default_value = "10s", value_name = "TIME", value_parser = deadline, allow_hyphen_values = true)]
    handshake_timeout: Duration,
    /// How long a new connection may say nothing
    #[arg(long, env = "GANTZ_RELAY_FIRST_BYTE_TIMEOUT", default_value = "30s", value_name = "TIME", value_parser = deadline, allow_hyphen_values = true)]
    first_byte_timeout: Duration,
    /// How long a request's head may take from its first byte
    #[arg(long, env = "GANTZ_RELAY_HEAD_TIMEOUT", default_value = "30s", value_name = "TIME", value_parser = deadline, allow_hyphen_values = true)]
    head_timeout: Duration,
    /// How long a connection may be without a request
    #[arg(long, env = "GANTZ_RELAY_IDLE_TIMEOUT", default_value = "2m", value_name = "TIME", value_parser = deadline, allow_hyphen_values = true)]
    idle_timeout: Duration,
    /// How long a request's body may be silent while it is waited for
    #[arg(long, env = "GANTZ_RELAY_BODY_TIMEOUT", default_value = "1m", value_name = "TIME", value_parser = deadline, allow_hyphen_values = true)]
    body_timeout: Duration,
    /// How long a caller may take nothing of an answer that is there
    #[arg(long, env = "GANTZ_RELAY_READER_TIMEOUT", default_value = "1m", value_name = "TIME", value_parser = deadline, allow_hyphen_values = true)]
    reader_timeout: Duration,
    /// How often a token may be used, unless its owner gave it a rate of its own
    #[arg(long, env = "GANTZ_RELAY_TOKEN_RATE", default_value_t = TOKEN_RATE, value_name = "RATE")]
    token_rate: Rate,
    /// How often a tunnel may be called, by all of its callers together
    #[arg(long, env = "GANTZ_RELAY_TUNNEL_RATE", default_value_t = TUNNEL_RATE, value_name = "RATE")]
    tunnel_rate: Rate,
    /// How often one address may show wrong tokens to one tunnel (IPv6: one /64)
    #[arg(long, env = "GANTZ_RELAY_GUESS_RATE", default_value_t = GUESS_RATE, value_name = "RATE")]
    guess_rate: Rate,
    /// How often one address may come to one tunnel without a token (IPv6: one /64)
    #[arg(long, env = "GANTZ_RELAY_MISSING_TOKEN_RATE", default_value_t = MISSING_TOKEN_RATE, value_name = "RATE")]
    missing_token_rate: Rate,
}

impl LimitArgs {
    /// What is not said is less where anybody may come.
    pub(super) fn limits(&self, access: AccessArg) -> Limits {
        let per_source = match access {
            AccessArg::Keys => Limits::default().tunnels_per_source,
            AccessArg::Open => OPEN_TUNNELS_PER_SOURCE,
        };
        let bytes = |size: ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
        Limits {
            connections: self.max_connections,
            connections_per_source: self.max_connections_per_source,
            tunnels: self.max_tunnels,
            tunnels_per_source: self.max_tunnels_per_source.unwrap_or(per_source),
            handshakes: self.max_handshakes,
            requests: self.max_requests,
            streams: self.max_streams,
            unread: self.max_unread,
            head: bytes(self.max_head),
            fields: self.max_fields,
            body: self.max_body.as_u64(),
            http2: Http2Limits {
                stream_window: self.http2_stream_window,
                connection_window: self.http2_connection_window,
                resets: self.http2_max_resets,
                idle_frames: self.http2_idle_frames,
            },
            deadlines: Deadlines {
                handshake: self.handshake_timeout,
                first_byte: self.first_byte_timeout,
                head: self.head_timeout,
                idle: self.idle_timeout,
                body: self.body_timeout,
                reader: self.reader_timeout,
            },
        }
    }

    pub(super) fn rates(&self) -> Rates {
        Rates {
            token: self.token_rate,
            tunnel: self.tunnel_rate,
            guess: self.guess_rate,
            missing_token: self.missing_token_rate,
        }
    }
}

/// More than one machine serves.
fn count(text: &str) -> Result<usize, String> {
    between(text, 1_000_000)
}

/// What the tunnel protocol has.
fn requests(text: &str) -> Result<usize, String> {
    between(text, MAX_REQUEST_STREAMS as usize)
}

/// See [`requests`].
fn fields(text: &str) -> Result<usize, String> {
    between(text, MAX_FIELDS)
}

fn between(text: &str, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("`{text}` is not a number from 1 to {most}")),
    }
}

/// Smallest head that an operator may ask for: a host, a token and a path have to fit in.
const MIN_HEAD: usize = 1 << 10;

fn head(text: &str) -> Result<ByteSize, String> {
    let most = ByteSize::b(MAX_HEAD as u64);
    match size(text)? {
        bytes if bytes >= ByteSize::b(MIN_HEAD as u64) && bytes <= most => Ok(bytes),
        _ => Err(format!("`{text}` is not from 1KiB to 64KiB")),
    }
}

/// Least window: what a connection has before anything is said of it (RFC 9113 §6.9.2).
const MIN_WINDOW: u32 = 64 << 10;
/// Largest: half of what the protocol has.
const MAX_WINDOW: u32 = 1 << 30;

fn window(text: &str) -> Result<u32, String> {
    match u32::try_from(size(text)?.as_u64()) {
        Ok(bytes) if (MIN_WINDOW..=MAX_WINDOW).contains(&bytes) => Ok(bytes),
        _ => Err(format!("`{text}` is not from 64KiB to 1GiB")),
    }
}

fn size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a size; 16MiB, or 0 for no limit"))
}
