//! QUIC by quinn (RFC 9000): nothing outside this folder names it.

mod congestion;
mod connect;
mod connection;
mod dialer;
mod granted;
mod handover;
mod heard;
mod listener;
mod mtu;
mod runtime;
mod socket;
mod stats;
mod stream;
#[cfg(unix)]
mod udp;

pub(crate) use connection::Link;
pub use dialer::Dialer;
pub use handover::Path;
pub use heard::Heard;
pub use listener::{Incoming, Listener};
pub use socket::{UDP_BUFFER, bind};
pub use stats::Stats;
pub(crate) use stream::{RecvHalf, SendHalf};

use std::sync::Arc;

use gantz_shared::limits::{CONNECTION_WINDOW, IDLE_TIMEOUT, SEND_WINDOW, STREAM_WINDOW};
use quinn::{TransportConfig, VarInt};

/// What both ends set.
fn settings() -> TransportConfig {
    let mut settings = TransportConfig::default();
    settings
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_TIMEOUT.as_millis() as u32).into()))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(SEND_WINDOW)
        .congestion_controller_factory(Arc::new(congestion::Factory));
    settings
}
