//! The bytes of a request stream.
//!
//! A request stream is a sequence of frames: one type byte, a QUIC varint length (RFC 9000 §16), then the payload.
//!
//! | type | frame | payload | request | answer |
//! |---|---|---|---|---|
//! | 0 | `HEAD` | [`head`] | first, once | once, after any `INFO` |
//! | 1 | `INFO` | like an answer's `HEAD`, status 1xx | never | before `HEAD` |
//! | 2 | `DATA` | body bytes | after `HEAD` | after `HEAD` |
//! | 3 | `END` | trailer fields | last, once | last, once |
//! | 4 | `UPGRADED` | empty; raw bytes follow until FIN | straight after `HEAD` | straight after a 101 `HEAD` |
//!
//! A stream that ends (FIN) before `END` is truncated, and a truncated body is never passed on as a whole one.

mod decode;
mod encode;
pub mod head;
pub mod varint;

pub use decode::{Decoder, Direction, Event};
pub use encode::{data_header, end, end_with_trailers, info, request_head, response_head, upgraded};

/// The type byte of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// Method, scheme, authority, path and fields; or status and fields.
    Head = 0,
    /// An informational answer (RFC 9110 §15.2).
    Info = 1,
    /// Body bytes.
    Data = 2,
    /// The end of the message, with its trailer fields.
    End = 3,
    /// From here on the stream is raw bytes of the upgraded protocol (RFC 9110 §7.8).
    Upgraded = 4,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Result<Self, WireError> {
        Ok(match byte {
            0 => Self::Head,
            1 => Self::Info,
            2 => Self::Data,
            3 => Self::End,
            4 => Self::Upgraded,
            other => return Err(WireError::UnknownFrame(other)),
        })
    }
}

/// What a peer did wrong on a request stream. The stream is then reset with [`crate::reset::StreamCode::Protocol`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A type byte that this version does not know.
    #[error("unknown frame type {0:#04x}")]
    UnknownFrame(u8),
    /// A frame that is known but not allowed at this place, such as `DATA` before `HEAD`.
    #[error("{frame:?} frame where {expected} was expected")]
    Unexpected {
        /// What came.
        frame: FrameKind,
        /// What would have been right.
        expected: &'static str,
    },
    /// A payload over its limit.
    #[error("{frame:?} frame of {len} bytes is over the limit of {limit}")]
    TooLong {
        /// The frame.
        frame: FrameKind,
        /// The length it announced.
        len: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// A payload that does not follow its layout.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// More than [`crate::limits::MAX_FIELDS`] field lines.
    #[error("more than {limit} fields", limit = crate::limits::MAX_FIELDS)]
    TooManyFields,
    /// The stream ended (FIN) before the message did.
    #[error("stream ended before END")]
    Truncated,
    /// Bytes after the message ended.
    #[error("bytes after END")]
    Trailing,
}
