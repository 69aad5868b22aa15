//! Which HTTP fields cross the tunnel, and which end at it.
//!
//! Both ends apply these rules, so that neither has to trust the other's.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Fields that mean this connection and not the message (RFC 9110 §7.6.1), and the ones that must never be forwarded
/// although no `Connection` names them. `TE` is not here: its one end-to-end use is kept by [`wants_trailers`].
#[must_use]
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-authentication-info"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Whether `name` tells who called and under which address, in any of the spellings a server might believe: a caller
/// may not say these things, only the relay may. `_` counts as `-` because CGI-style servers cannot tell them apart.
#[must_use]
pub fn is_forwarding(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    // Almost no field starts with one of these letters; the spellings are only compared for those that do.
    match name.first() {
        Some(b'f' | b'x' | b't' | b'c' | b'v') => {}
        _ => return false,
    }
    const NAMES: [&[u8]; 8] = [
        b"forwarded",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-original-host",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"via",
    ];
    has_prefix(name, b"x-forwarded") || NAMES.iter().any(|known| name.len() == known.len() && has_prefix(name, known))
}

/// Whether `name` belongs to the relay itself. A caller's is dropped, so that the local server can believe it.
#[must_use]
pub fn is_internal(name: &HeaderName) -> bool {
    has_prefix(name.as_str().as_bytes(), b"gantz-")
}

/// Where a credential may stand, for callers that cannot set `Authorization`.
const X_API_KEY: &[u8] = b"x-api-key";

/// Whether `name` may stand in a trailer section: nothing that says where a message goes, who sends it, how long it is
/// or how it is to be read (RFC 9110 §6.5.1). What was decided by the head must not be told otherwise behind the body.
#[must_use]
pub fn may_trail(name: &HeaderName) -> bool {
    let decides = matches!(
        name.as_str(),
        "host"
            | "origin"
            | "authorization"
            | "proxy"
            | "cookie"
            | "set-cookie"
            | "content-length"
            | "content-encoding"
            | "content-type"
            | "content-range"
            | "trailer"
            | "expect"
            | "max-forwards"
            | "range"
            | "cache-control"
            | "location"
            | "retry-after"
            | "vary"
            | "www-authenticate"
    );
    let bytes = name.as_str().as_bytes();
    let is_credential = bytes.len() == X_API_KEY.len() && has_prefix(bytes, X_API_KEY);
    !decides && !is_credential && !is_hop_by_hop(name) && !is_forwarding(name) && !is_internal(name)
}

fn has_prefix(name: &[u8], prefix: &[u8]) -> bool {
    name.len() >= prefix.len()
        && name.iter().zip(prefix).all(|(&byte, &wanted)| (if byte == b'_' { b'-' } else { byte }) == wanted)
}

/// The names that a message's `Connection` fields declare hop-by-hop (RFC 9110 §7.6.1).
///
/// Nearly every message has none besides `keep-alive`, `close` and `upgrade`, which are not collected: then this
/// allocates nothing.
#[derive(Debug, Default)]
pub struct Nominated(Vec<HeaderName>);

impl Nominated {
    /// Reads `fields`. What is not a field name is ignored: it names nothing.
    #[must_use]
    pub fn by(fields: &HeaderMap) -> Self {
        let names = list(fields, &header::CONNECTION)
            .filter(|name| {
                !["keep-alive", "close", "upgrade"].iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
            })
            .filter_map(|name| HeaderName::from_bytes(name).ok())
            .collect();
        Self(names)
    }

    /// Whether `name` was declared hop-by-hop.
    #[must_use]
    pub fn contains(&self, name: &HeaderName) -> bool {
        !self.0.is_empty() && self.0.contains(name)
    }
}

/// The protocol a message asks or agrees to upgrade to (RFC 9110 §7.8): `Upgrade` counts only where `Connection` names
/// it too.
#[must_use]
pub fn upgrade(fields: &HeaderMap) -> Option<&HeaderValue> {
    let value = fields.get(header::UPGRADE)?;
    list(fields, &header::CONNECTION).any(|name| name.eq_ignore_ascii_case(b"upgrade")).then_some(value)
}

/// Whether the caller can take trailers (`TE: trailers`, RFC 9110 §10.1.4).
#[must_use]
pub fn wants_trailers(fields: &HeaderMap) -> bool {
    list(fields, &header::TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// Whether the caller waits for a 100 before it sends its body (RFC 9110 §10.1.1).
#[must_use]
pub fn expects_continue(fields: &HeaderMap) -> bool {
    fields.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// The length that a message's one `Content-Length` declares.
///
/// # Errors
/// It is not a number, or there are two of it. RFC 9110 §8.6 would have a recipient take two that are the same; the next
/// one may not, and over HTTP/1.1 that is where requests are smuggled (RFC 9112 §11.2).
pub fn content_length(fields: &HeaderMap) -> Result<Option<u64>, InvalidLength> {
    let mut values = fields.get_all(header::CONTENT_LENGTH).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| InvalidLength)?;
    if values.next().is_some() || text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidLength);
    }
    text.parse().map(Some).map_err(|_| InvalidLength)
}

/// `Content-Length` does not declare one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Content-Length is not one number")]
pub struct InvalidLength;

/// Whether this is a stream of server-sent events: the media type, whatever its parameters.
#[must_use]
pub fn is_event_stream(fields: &HeaderMap) -> bool {
    const TYPE: &str = "text/event-stream";
    fields.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.get(..TYPE.len()).is_some_and(|start| start.eq_ignore_ascii_case(TYPE))
            && matches!(value.as_bytes().get(TYPE.len()), None | Some(b';' | b' ' | b'\t'))
    })
}

/// The members of a comma-separated field, over all its lines (RFC 9110 §5.6.1). Bytes and not text: one member that
/// is none must not hide the others of its line.
fn list<'a>(fields: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    fields
        .get_all(name)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .collect()
    }

    #[test]
    fn nominated_fields_are_hop_by_hop() {
        let nominated = Nominated::by(&fields(&[("connection", "close, X-Secret ,, x-other")]));
        assert!(nominated.contains(&HeaderName::from_static("x-secret")));
        assert!(nominated.contains(&HeaderName::from_static("x-other")));
        assert!(!nominated.contains(&HeaderName::from_static("close")));
        let nominated = Nominated::by(&fields(&[("connection", "x-secret, ä")]));
        assert!(nominated.contains(&HeaderName::from_static("x-secret")));
    }

    #[test]
    fn trailers_decide_nothing() {
        for (name, may) in [
            ("x-sum", true),
            ("grpc-status", true),
            ("server-timing", true),
            ("digest", true),
            ("authorization", false),
            ("x-api-key", false),
            ("x_api-key", false),
            ("proxy", false),
            ("content-length", false),
            ("transfer-encoding", false),
            ("x_forwarded-for", false),
            ("gantz-error", false),
        ] {
            assert_eq!(may_trail(&HeaderName::from_static(name)), may, "{name}");
        }
    }

    #[test]
    fn an_upgrade_needs_connection_to_name_it() {
        assert!(upgrade(&fields(&[("upgrade", "websocket")])).is_none());
        assert!(upgrade(&fields(&[("upgrade", "websocket"), ("connection", "keep-alive, Upgrade")])).is_some());
    }

    #[test]
    fn one_length_or_none() {
        assert_eq!(content_length(&fields(&[])), Ok(None));
        assert_eq!(content_length(&fields(&[("content-length", "7")])), Ok(Some(7)));
        for bad in ["", "+7", "7, 7", "-1", "0x7", "99999999999999999999"] {
            assert_eq!(content_length(&fields(&[("content-length", bad)])), Err(InvalidLength), "{bad}");
        }
        for second in ["7", "8", ""] {
            let two = fields(&[("content-length", "7"), ("content-length", second)]);
            assert_eq!(content_length(&two), Err(InvalidLength), "{second}");
        }
    }

    #[test]
    fn event_streams_by_media_type() {
        for (value, expected) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("text/event-streams", false),
            ("application/json", false),
        ] {
            assert_eq!(is_event_stream(&fields(&[("content-type", value)])), expected, "{value}");
        }
    }

    proptest! {
        /// Whatever mixture of `-` and `_` a caller spells a forwarding field with, it is one.
        #[test]
        fn forwarding_fields_in_every_spelling(
            base in prop::sample::select(vec!["x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded"]),
            underscores in any::<u32>(),
        ) {
            let spelled: String = base
                .chars()
                .enumerate()
                .map(|(at, c)| if c == '-' && underscores & (1 << (at % 32)) != 0 { '_' } else { c })
                .collect();
            prop_assert!(is_forwarding(&HeaderName::from_bytes(spelled.as_bytes()).unwrap()));
        }
    }
}
