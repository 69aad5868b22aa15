//! What HTTP allows in a message, and no more: the inputs of the round trips.

use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};
use gantz_shared::fields::is_hop_by_hop;
use gantz_shared::wire::head::{RequestHead, ResponseHead};
use gantz_shared::wire::{Direction, Event, data_header, upgraded};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;

use crate::samples::{encode_end, encode_info, encode_request, encode_response};

/// RFC 9110 §5.6.2: `token`, in lower case as field names travel.
const TOKEN: &str = "[a-z0-9!#$%&'*+.^_`|~-]{1,24}";

fn value() -> impl Strategy<Value = HeaderValue> {
    // RFC 9110 §5.5: visible characters, blanks, and obs-text.
    let byte = prop_oneof![4 => 0x20u8..0x7f, 1 => Just(b'\t'), 2 => 0x80u8..=0xff];
    prop::collection::vec(byte, 0..40)
        .prop_filter_map("HTTP has no such value", |bytes| HeaderValue::from_bytes(&bytes).ok())
}

/// Fields of which some repeat.
pub(crate) fn field_lines() -> impl Strategy<Value = HeaderMap> {
    let name = prop_oneof![
        TOKEN.prop_map(|name| HeaderName::from_bytes(name.as_bytes()).unwrap()),
        prop::sample::select(vec!["cookie", "set-cookie", "accept", "mcp-session-id", "x-a"])
            .prop_map(HeaderName::from_static),
    ];
    prop::collection::vec((name, value()), 0..12).prop_map(|lines| {
        let mut fields = HeaderMap::new();
        for (name, value) in lines.into_iter().filter(|(name, _)| !is_hop_by_hop(name)) {
            fields.append(name, value);
        }
        fields
    })
}

fn upgrade() -> impl Strategy<Value = Option<HeaderValue>> {
    prop::option::of(value().prop_filter("empty means none", |value| !value.is_empty()))
}

pub(crate) fn request_head() -> impl Strategy<Value = RequestHead> {
    let method = "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}".prop_map(|method| Method::from_bytes(method.as_bytes()).unwrap());
    let authority = prop_oneof![
        "[a-zA-Z0-9-]{1,20}(\\.[a-zA-Z0-9-]{1,10}){0,3}\\.?(:[0-9]{1,5})?",
        any::<std::net::SocketAddr>().prop_map(|address| match address {
            std::net::SocketAddr::V6(v6) => format!("[{}]:{}", v6.ip(), v6.port()),
            v4 => v4.to_string(),
        }),
    ]
    .prop_filter_map("http has no such authority", |text| text.parse::<Authority>().ok());
    let path = "(/[a-zA-Z0-9._~!$&'()*+,;=:@%/\"{}|^-]{0,40}(\\?[a-zA-Z0-9._~/?%=&-]{0,20})?|\\*)"
        .prop_filter_map("http has no such path", |text| text.parse::<PathAndQuery>().ok());
    let parts = (method, any::<bool>(), any::<bool>(), authority, path);
    let more = (prop::option::of(any::<IpAddr>()), "[ -~é]{0,32}", upgrade(), field_lines());
    (parts, more).prop_map(|((method, is_https, has_body, authority, path), (client, token, upgrade, fields))| {
        let scheme = if is_https { Scheme::HTTPS } else { Scheme::HTTP };
        RequestHead { method, scheme, has_body, authority, path, client, token, upgrade, fields }
    })
}

pub(crate) fn response_head() -> impl Strategy<Value = ResponseHead> {
    (100u16..1000, upgrade(), field_lines()).prop_map(|(status, upgrade, fields)| ResponseHead {
        status: StatusCode::from_u16(status).unwrap(),
        upgrade,
        fields,
    })
}

/// Everything on one direction of a request stream.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) direction: Direction,
    /// The frames before the body: any `INFO`, then `HEAD`.
    pub(crate) heads: Vec<Bytes>,
    /// One `DATA` frame each.
    pub(crate) body: Vec<Vec<u8>>,
    pub(crate) trailers: HeaderMap,
    /// Raw bytes instead of body and end.
    pub(crate) upgraded: Option<Vec<u8>>,
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    let request = request_head().prop_map(|head| (Direction::Request, vec![encode_request(&head).unwrap()]));
    let response = (prop::collection::vec(response_head(), 0..3), response_head()).prop_map(|(infos, head)| {
        let mut heads: Vec<Bytes> = infos.iter().map(|info| encode_info(info).unwrap()).collect();
        heads.push(encode_response(&head).unwrap());
        (Direction::Response, heads)
    });
    let body = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..6);
    let raw = prop::option::weighted(0.2, prop::collection::vec(any::<u8>(), 0..60));
    (prop_oneof![request, response], body, field_lines(), raw).prop_map(
        |((direction, heads), body, trailers, upgraded)| {
            let body = if upgraded.is_some() { Vec::new() } else { body };
            Message { direction, heads, body, trailers, upgraded }
        },
    )
}

impl Message {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = BytesMut::from(&self.heads.concat()[..]);
        if let Some(raw) = &self.upgraded {
            upgraded(&mut out);
            out.put_slice(raw);
            return out.into();
        }
        for piece in &self.body {
            data_header(piece.len(), &mut out);
            out.put_slice(piece);
        }
        out.put_slice(&encode_end(&self.trailers).unwrap());
        out.into()
    }

    /// Bytes of [`encode`](Self::encode) after which a FIN makes a whole message.
    pub(crate) fn whole_from(&self, encoded: &[u8]) -> usize {
        encoded.len() - self.upgraded.as_ref().map_or(0, Vec::len)
    }

    /// What the other end has to see, body and raw bytes in one piece each.
    pub(crate) fn events(&self) -> Vec<Event> {
        let payload = |frame: &Bytes| frame.slice(5..);
        let (head, infos) = self.heads.split_last().unwrap();
        let mut events: Vec<Event> = infos.iter().map(|info| Event::Info(payload(info))).collect();
        events.push(Event::Head(payload(head)));
        let some = |bytes: Vec<u8>| Some(Bytes::from(bytes)).filter(|bytes| !bytes.is_empty());
        match &self.upgraded {
            Some(raw) => {
                events.push(Event::Upgraded);
                events.extend(some(raw.clone()).map(Event::Raw));
            }
            None => {
                events.extend(some(self.body.concat()).map(Event::Data));
                events.push(Event::End(payload(&encode_end(&self.trailers).unwrap())));
            }
        }
        events
    }
}
