//! The heads of a local call: the caller's, with the local server's own `Host` and the relay's word on who called; and
//! the answer's, which is to have no coding but chunks, and to say one length or none.

use gantz_shared::fields::{is_forwarding, is_internal};
use gantz_shared::wire::head::RequestHead;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::Scheme;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};

use super::{RequestBody, Upstream};

/// Builds the request.
pub(super) fn request(
    head: RequestHead,
    body: RequestBody,
    upstream: &Upstream,
) -> Result<Request<RequestBody>, http::Error> {
    let target = upstream.target();
    let uri = Uri::builder()
        .scheme(target.scheme().clone())
        .authority(target.authority().clone())
        .path_and_query(head.path)
        .build()?;
    // hyper takes a GET or HEAD for one without a body unless its length, or this, says otherwise.
    let is_chunked = matches!(body, RequestBody::Streaming { .. })
        && matches!(head.method, Method::GET | Method::HEAD)
        && !head.fields.contains_key(header::CONTENT_LENGTH);
    let mut request = Request::new(body);
    *request.method_mut() = head.method;
    *request.uri_mut() = uri;
    let mut fields = head.fields;

    // The relay strips these as well; a relay of an older make may know fewer spellings.
    let spoofed: Vec<HeaderName> =
        fields.keys().filter(|name| is_forwarding(name) || is_internal(name)).cloned().collect();
    for name in spoofed {
        fields.remove(name);
    }
    fields.insert(header::HOST, upstream.host.clone());
    let proto = if head.scheme == Scheme::HTTPS { "https" } else { "http" };
    let host = head.authority.as_str();
    fields.insert("x-forwarded-proto", HeaderValue::from_static(proto));
    fields.insert("x-forwarded-host", HeaderValue::try_from(host)?);
    // RFC 7239 §4: a host with a port, and an IPv6 address, have to be quoted.
    let mut forwarded = format!("host=\"{host}\";proto={proto}");
    if let Some(client) = head.client {
        fields.insert("x-forwarded-for", HeaderValue::try_from(client.to_string())?);
        let node = if client.is_ipv6() { format!("\"[{client}]\"") } else { client.to_string() };
        forwarded = format!("for={node};{forwarded}");
    }
    fields.insert(header::FORWARDED, HeaderValue::try_from(forwarded)?);
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
