//! Frames to bytes. Every function appends to a buffer that the caller owns, so that a head, a small body and the end
//! of a message can leave in one write.

use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, StatusCode};

use super::head::{FLAG_BODY, FLAG_HTTPS};
use super::{FrameKind, WireError, varint};
use crate::limits::{MAX_FIELDS, MAX_HEAD};

/// A request's `HEAD`. `keep` says of each field whether it crosses the tunnel, so that no filtered copy of the map is
/// needed.
///
/// # Errors
/// [`WireError::TooLong`] or [`WireError::TooManyFields`]; `out` is then as it was.
#[allow(clippy::too_many_arguments)] // The parts of a request head, in wire order; a struct would only name them twice.
pub fn request_head(
    method: &Method,
    scheme: &Scheme,
    has_body: bool,
    authority: &Authority,
    path: &PathAndQuery,
    client: Option<IpAddr>,
    token: &str,
    upgrade: Option<&HeaderValue>,
    fields: &HeaderMap,
    keep: impl Fn(&HeaderName) -> bool,
    out: &mut BytesMut,
) -> Result<(), WireError> {
    framed(FrameKind::Head, out, |out| {
        string(method.as_str().as_bytes(), out);
        let https = if *scheme == Scheme::HTTPS { FLAG_HTTPS } else { 0 };
        out.put_u8(https | if has_body { FLAG_BODY } else { 0 });
        string(authority.as_str().as_bytes(), out);
        string(path.as_str().as_bytes(), out);
        match client {
            None => out.put_u8(0),
            Some(IpAddr::V4(address)) => string(&address.octets(), out),
            Some(IpAddr::V6(address)) => string(&address.octets(), out),
        }
        string(token.as_bytes(), out);
        string(upgrade.map_or(&[][..], HeaderValue::as_bytes), out);
        put_fields(fields, keep, out)
    })
}

/// An answer's `HEAD`.
///
/// # Errors
/// As [`request_head`].
pub fn response_head(
    status: StatusCode,
    upgrade: Option<&HeaderValue>,
    fields: &HeaderMap,
    keep: impl Fn(&HeaderName) -> bool,
    out: &mut BytesMut,
) -> Result<(), WireError> {
    response(FrameKind::Head, status, upgrade, fields, keep, out)
}

/// An informational answer.
///
/// # Errors
/// As [`request_head`].
pub fn info(
    status: StatusCode,
    fields: &HeaderMap,
    keep: impl Fn(&HeaderName) -> bool,
    out: &mut BytesMut,
) -> Result<(), WireError> {
    response(FrameKind::Info, status, None, fields, keep, out)
}

/// What stands before `len` bytes of body. The bytes follow as they are; `len` is at most
/// [`crate::limits::MAX_DATA`].
pub fn data_header(len: usize, out: &mut BytesMut) {
    out.put_u8(FrameKind::Data as u8);
    varint::write(len as u64, out);
}

/// The end of a message without trailers.
pub fn end(out: &mut BytesMut) {
    out.put_slice(&[FrameKind::End as u8, 0]);
}

/// The end of a message with its trailer fields.
///
/// # Errors
/// As [`request_head`].
pub fn end_with_trailers(
    trailers: &HeaderMap,
    keep: impl Fn(&HeaderName) -> bool,
    out: &mut BytesMut,
) -> Result<(), WireError> {
    framed(FrameKind::End, out, |out| put_fields(trailers, keep, out))
}

/// The end of frames: raw bytes of the agreed protocol follow.
pub fn upgraded(out: &mut BytesMut) {
    out.put_slice(&[FrameKind::Upgraded as u8, 0]);
}

fn response(
    kind: FrameKind,
    status: StatusCode,
    upgrade: Option<&HeaderValue>,
    fields: &HeaderMap,
    keep: impl Fn(&HeaderName) -> bool,
    out: &mut BytesMut,
) -> Result<(), WireError> {
    framed(kind, out, |out| {
        out.put_u16(status.as_u16());
        string(upgrade.map_or(&[][..], HeaderValue::as_bytes), out);
        put_fields(fields, keep, out)
    })
}

/// Writes type and length around what `payload` writes. The length takes the four-byte form because it is known only
/// afterwards, and moving the payload would cost more than two bytes do.
fn framed(
    kind: FrameKind,
    out: &mut BytesMut,
    payload: impl FnOnce(&mut BytesMut) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let start = out.len();
    out.put_slice(&[kind as u8, 0, 0, 0, 0]);
    let result = payload(out).and_then(|()| {
        let len = out.len() - start - 5;
        if len > MAX_HEAD {
            return Err(WireError::TooLong { frame: kind, len: len as u64, limit: MAX_HEAD });
        }
        out[start + 1..start + 5].copy_from_slice(&varint::four_bytes(len as u32));
        Ok(())
    });
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn put_fields(fields: &HeaderMap, keep: impl Fn(&HeaderName) -> bool, out: &mut BytesMut) -> Result<(), WireError> {
    let mut lines = 0;
    for (name, value) in fields {
        if !keep(name) {
            continue;
        }
        lines += 1;
        if lines > MAX_FIELDS {
            return Err(WireError::TooManyFields);
        }
        string(name.as_str().as_bytes(), out);
        string(value.as_bytes(), out);
    }
    Ok(())
}

fn string(bytes: &[u8], out: &mut BytesMut) {
    varint::write(bytes.len() as u64, out);
    out.put_slice(bytes);
}
