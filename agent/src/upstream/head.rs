//! The heads of a local call: the caller's, with the local server's own `Host` and the relay's word on who called; and
//! the answer's, which is to have no coding but chunks, and to say one length or none.

use std::net::IpAddr;

use bytes::Bytes;
use gantz_shared::fields::{is_forwarding, is_internal};
use gantz_shared::wire::head::RequestHead;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Method, Request, Response, StatusCode};

use super::{RequestBody, Upstream};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Builds the request, in origin form (RFC 9112 §3.2.1).
pub(super) fn request(
    head: RequestHead,
    body: RequestBody,
    upstream: &Upstream,
) -> Result<Request<RequestBody>, http::Error> {
    // hyper takes a GET or HEAD for one without a body unless its length, or this, says otherwise.
    let is_chunked = matches!(body, RequestBody::Streaming { .. })
        && matches!(head.method, Method::GET | Method::HEAD)
        && !head.fields.contains_key(header::CONTENT_LENGTH);
    let mut request = Request::new(body);
    *request.method_mut() = head.method;
    *request.uri_mut() = head.path.into();
    let mut fields = head.fields;

    // The relay strips these as well; a relay of an older make may know fewer spellings.
    let spoofed: Vec<HeaderName> =
        fields.keys().filter(|name| is_forwarding(name) || is_internal(name)).cloned().collect();
    for name in spoofed {
        fields.remove(name);
    }
    fields.insert(header::HOST, upstream.host.clone());
    called(&mut fields, &head.scheme, &head.authority, head.client)?;
    if is_chunked {
        fields.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let Some(protocol) = head.upgrade {
        fields.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        fields.insert(header::UPGRADE, protocol);
    }
    for (name, value) in &upstream.headers {
        fields.insert(name.clone(), value.clone());
    }
    *request.headers_mut() = fields;
    Ok(request)
}

/// Says who called, and under which address: in `Forwarded` (RFC 7239) and in the fields that are older than it. All of
/// their values are slices of the first one's.
fn called(
    fields: &mut HeaderMap,
    scheme: &Scheme,
    authority: &Authority,
    client: Option<IpAddr>,
) -> Result<(), http::Error> {
    let proto = if *scheme == Scheme::HTTPS { "https" } else { "http" };
    let mut forwarded = Vec::with_capacity(128);
    // RFC 7239 §4: a host with a port, and an IPv6 address, have to be quoted.
    let client = client.map(|client| {
        let (before, after) = if client.is_ipv6() { ("for=\"[", "]\";") } else { ("for=", ";") };
        forwarded.extend_from_slice(before.as_bytes());
        write_address(&mut forwarded, client);
        let address = before.len()..forwarded.len();
        forwarded.extend_from_slice(after.as_bytes());
        address
    });
    forwarded.extend_from_slice(b"host=\"");
    let host = forwarded.len()..forwarded.len() + authority.as_str().len();
    for part in [authority.as_str(), "\";proto=", proto] {
        forwarded.extend_from_slice(part.as_bytes());
    }
    let forwarded = Bytes::from(forwarded);
    if let Some(client) = client {
        fields.insert(X_FORWARDED_FOR, HeaderValue::from_maybe_shared(forwarded.slice(client))?);
    }
    fields.insert(X_FORWARDED_HOST, HeaderValue::from_maybe_shared(forwarded.slice(host))?);
    fields.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    fields.insert(header::FORWARDED, HeaderValue::from_maybe_shared(forwarded)?);
    Ok(())
}

/// An address in its text form. Formatting is a large part of what a head costs, and most addresses are of the older kind.
fn write_address(text: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    text.push(b'.');
                }
                text.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        IpAddr::V6(address) => text.extend_from_slice(address.to_string().as_bytes()),
    }
}

/// Whether an answer's body is what it seems once its chunks are put together, if it has any. hyper undoes those, and
/// only the last time; any other transfer coding (RFC 9112 §7) would be passed on without a word about it, as callers
/// never hear of `Transfer-Encoding`.
pub(super) fn is_plain_or_chunked(fields: &HeaderMap) -> bool {
    let mut codings =
        fields.get_all(header::TRANSFER_ENCODING).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    codings.next().is_none_or(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked")) && codings.next().is_none()
}

/// Drops a `Content-Length` that does not count: beside `Transfer-Encoding`, which says where the body ends (RFC 9112
/// §6.3), and in a 204 or before another protocol (RFC 9110 §8.6). Whoever believed it would wait for another body.
pub(super) fn settle_length<B>(response: &mut Response<B>) {
    let has_none = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::SWITCHING_PROTOCOLS);
    if has_none || response.headers().contains_key(header::TRANSFER_ENCODING) {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chunks_are_understood() {
        let understood = |values: &[&'static str]| {
            let fields = values.iter().map(|value| (header::TRANSFER_ENCODING, HeaderValue::from_static(value)));
            is_plain_or_chunked(&fields.collect())
        };
        for fine in [&[][..], &["chunked"], &["Chunked"], &[" chunked "]] {
            assert!(understood(fine), "{fine:?}");
        }
        for bad in [
            &["gzip, chunked"][..],
            &["gzip", "chunked"],
            &["chunked, chunked"],
            &["chunked", "chunked"],
            &["chunked, gzip"],
            &["gzip"],
            &["identity"],
            &["chunked;q=1"],
            &[""],
        ] {
            assert!(!understood(bad), "{bad:?}");
        }
    }
}
