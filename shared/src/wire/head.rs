//! The payload of `HEAD` and `INFO`: what HTTP's text form says, without its text form.
//!
//! Request: method, flags (one byte: bit 0 https, bit 1 a body follows), authority, path, client address (0, 4 or 16
//! bytes), token id, upgrade protocol (empty: none), then fields until the payload ends.
//! Answer: status (two bytes, big endian), upgrade protocol, then fields.
//! A field is a name and a value. Everything of variable length has a varint length before it.

use std::net::IpAddr;

use bytes::{Buf, Bytes};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, StatusCode};

use super::{WireError, varint};
use crate::fields::{content_length, is_hop_by_hop};
use crate::limits::{MAX_FIELDS, MAX_LABEL};

/// The public used https.
pub(super) const FLAG_HTTPS: u8 = 1;
/// `DATA` may follow.
pub(super) const FLAG_BODY: u8 = 2;

/// Fields that a map has room for without growing, those included that the agent adds. Most messages have fewer.
const COMMON_FIELDS: usize = 12;

/// A request's head as it crosses the tunnel.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The scheme under which the public reached the relay.
    pub scheme: Scheme,
    /// Whether `DATA` may follow. Neither a method nor a length can tell: a body may begin only after the answer has.
    pub has_body: bool,
    /// The authority under which the public reached the relay: what `X-Forwarded-Host` says.
    pub authority: Authority,
    /// Path and query, byte for byte as the caller sent them.
    pub path: PathAndQuery,
    /// The caller's address, unless the relay does not tell.
    pub client: Option<IpAddr>,
    /// Id of the token that let the caller in; empty when the tunnel is open.
    pub token: String,
    /// The protocol of an `Upgrade` field (RFC 9110 §7.8).
    pub upgrade: Option<HeaderValue>,
    /// The end-to-end fields.
    pub fields: HeaderMap,
}

/// An answer's head, final (`HEAD`) or informational (`INFO`), as it crosses the tunnel.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// With status 101, the protocol that was agreed on.
    pub upgrade: Option<HeaderValue>,
    /// The end-to-end fields.
    pub fields: HeaderMap,
}

impl RequestHead {
    /// Reads the payload of a request's `HEAD`. Nothing is copied: fields are slices of `payload`.
    ///
    /// # Errors
    /// [`WireError::Malformed`] for a layout that does not fit or a part that HTTP does not allow;
    /// [`WireError::TooManyFields`].
    pub fn decode(mut payload: Bytes) -> Result<Self, WireError> {
        let buf = &mut payload;
        let method = Method::from_bytes(&string(buf, "method")?).map_err(|_| WireError::Malformed("method"))?;
        let flags = byte(buf, "flags")?;
        if flags & !(FLAG_HTTPS | FLAG_BODY) != 0 {
            return Err(WireError::Malformed("flags"));
        }
        let scheme = if flags & FLAG_HTTPS == 0 { Scheme::HTTP } else { Scheme::HTTPS };
        let has_body = flags & FLAG_BODY != 0;
        let authority =
            Authority::from_maybe_shared(string(buf, "authority")?).map_err(|_| WireError::Malformed("authority"))?;
        let target = string(buf, "path")?;
        let path = PathAndQuery::from_maybe_shared(target.clone()).map_err(|_| WireError::Malformed("path"))?;
        // What this type would add to an empty path or cut off (a fragment) was never in a request's target.
        if path.as_str().as_bytes() != target {
            return Err(WireError::Malformed("path"));
        }
        let client = client(&string(buf, "client address")?)?;
        let token = string(buf, "token id")?;
        if token.len() > MAX_LABEL {
            return Err(WireError::Malformed("token id"));
        }
        let token = String::from_utf8(token.into()).map_err(|_| WireError::Malformed("token id"))?;
        let upgrade = upgrade(buf)?;
        let fields = fields(payload)?;
        // The next hop is the local server, over HTTP/1.1: a relay that let two through is not to be believed.
        content_length(&fields).map_err(|_| WireError::Malformed("content-length"))?;
        Ok(Self { method, scheme, has_body, authority, path, client, token, upgrade, fields })
    }
}

impl ResponseHead {
    /// Reads the payload of an answer's `HEAD` or of an `INFO`.
    ///
    /// # Errors
    /// As [`RequestHead::decode`].
    pub fn decode(mut payload: Bytes) -> Result<Self, WireError> {
        if payload.remaining() < 2 {
            return Err(WireError::Malformed("status"));
        }
        let status = StatusCode::from_u16(payload.get_u16()).map_err(|_| WireError::Malformed("status"))?;
        let upgrade = upgrade(&mut payload)?;
        let fields = fields(payload)?;
        Ok(Self { status, upgrade, fields })
    }
}

/// Reads fields until `payload` ends: the rest of a head, or the payload of `END`.
///
/// # Errors
/// As [`RequestHead::decode`].
pub fn fields(mut payload: Bytes) -> Result<HeaderMap, WireError> {
    let mut fields = HeaderMap::with_capacity(if payload.has_remaining() { COMMON_FIELDS } else { 0 });
    let mut lines = 0;
    while payload.has_remaining() {
        lines += 1;
        if lines > MAX_FIELDS {
            return Err(WireError::TooManyFields);
        }
        let name = string(&mut payload, "field name")?;
        let value = string(&mut payload, "field value")?;
        let name = HeaderName::from_bytes(&name).map_err(|_| WireError::Malformed("field name"))?;
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| WireError::Malformed("field value"))?;
        // Both encoders strip these, so a peer that sends one is not to be trusted with the rest (RFC 9113 §8.2.2).
        if is_hop_by_hop(&name) && !(name == header::TE && value == "trailers") {
            return Err(WireError::Malformed("connection-specific field"));
        }
        fields.append(name, value);
    }
    Ok(fields)
}

fn byte(buf: &mut Bytes, what: &'static str) -> Result<u8, WireError> {
    if buf.has_remaining() { Ok(buf.get_u8()) } else { Err(WireError::Malformed(what)) }
}

fn string(buf: &mut Bytes, what: &'static str) -> Result<Bytes, WireError> {
    let len = varint::read(buf).ok_or(WireError::Malformed(what))?;
    let len = usize::try_from(len).map_err(|_| WireError::Malformed(what))?;
    if len > buf.remaining() {
        return Err(WireError::Malformed(what));
    }
    Ok(buf.split_to(len))
}

fn upgrade(buf: &mut Bytes) -> Result<Option<HeaderValue>, WireError> {
    let value = string(buf, "upgrade")?;
    if value.is_empty() {
        return Ok(None);
    }
    HeaderValue::from_maybe_shared(value).map(Some).map_err(|_| WireError::Malformed("upgrade"))
}

fn client(octets: &[u8]) -> Result<Option<IpAddr>, WireError> {
    if octets.is_empty() {
        return Ok(None);
    }
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Ok(Some(v4.into()));
    }
    <[u8; 16]>::try_from(octets).map(|v6| Some(v6.into())).map_err(|_| WireError::Malformed("client address"))
}
