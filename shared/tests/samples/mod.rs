//! One of everything that `gantz/1` says: what the frozen snapshots show, and what the fuzz targets start from.

// Each user of this file takes a part of it.
#![allow(dead_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{Bytes, BytesMut};
use gantz_shared::control::{
    FromAgent, FromRelay, Hello, Limits, Policy, RefusalCode, Refused, Run, Secret, TokenEntry, TokenLife, Welcome,
    encode,
};
use gantz_shared::name::Name;
use gantz_shared::token::Digest;
use gantz_shared::wire::head::{RequestHead, ResponseHead};
use gantz_shared::wire::{self, WireError};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// Something with the name under which it is frozen.
pub(crate) type Named<T> = (&'static str, T);

/// Fields from lines.
pub(crate) fn fields(lines: &[(&str, &[u8])]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value).unwrap())
        })
        .collect()
}

/// The frame of a request's head.
pub(crate) fn encode_request(head: &RequestHead) -> Result<Bytes, WireError> {
    let mut out = BytesMut::new();
    wire::request_head(
        &head.method,
        &head.scheme,
        head.has_body,
        &head.authority,
        &head.path,
        head.client,
        &head.token,
        head.upgrade.as_ref(),
        &head.fields,
        |_| true,
        &mut out,
    )?;
    Ok(out.freeze())
}

/// The frame of an answer's final head.
pub(crate) fn encode_response(head: &ResponseHead) -> Result<Bytes, WireError> {
    let mut out = BytesMut::new();
    wire::response_head(head.status, head.upgrade.as_ref(), &head.fields, |_| true, &mut out)?;
    Ok(out.freeze())
}

/// The frame of an informational answer.
pub(crate) fn encode_info(head: &ResponseHead) -> Result<Bytes, WireError> {
    let mut out = BytesMut::new();
    wire::info(head.status, &head.fields, |_| true, &mut out)?;
    Ok(out.freeze())
}

/// The frame `END` with these trailers.
pub(crate) fn encode_end(trailers: &HeaderMap) -> Result<Bytes, WireError> {
    let mut out = BytesMut::new();
    wire::end_with_trailers(trailers, |_| true, &mut out)?;
    Ok(out.freeze())
}

/// One control message, framed.
pub(crate) fn encode_message(message: &impl serde::Serialize) -> Bytes {
    let mut out = BytesMut::new();
    encode(message, &mut out).unwrap();
    out.freeze()
}

/// What `write` appends.
pub(crate) fn written(write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    write(&mut out);
    out.freeze()
}

/// Heads of requests: with every part, with none, and what lies between.
pub(crate) fn request_heads() -> Vec<Named<RequestHead>> {
    let least = RequestHead {
        method: Method::GET,
        scheme: Scheme::HTTP,
        has_body: false,
        authority: Authority::from_static("a.test"),
        path: PathAndQuery::from_static("/"),
        client: None,
        token: String::new(),
        upgrade: None,
        fields: HeaderMap::new(),
    };
    let all = RequestHead {
        method: Method::POST,
        scheme: Scheme::HTTPS,
        has_body: true,
        authority: Authority::from_static("cool-penguin-7f3k9q.relay.test:8443"),
        path: PathAndQuery::from_static("/mcp?a=1&b=%20"),
        client: Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
        token: "t1".into(),
        upgrade: Some(HeaderValue::from_static("websocket")),
        fields: fields(&[
            ("accept", b"application/json, text/event-stream"),
            ("mcp-protocol-version", b"2026-07-28"),
            ("cookie", b"a=1"),
            ("cookie", b"b=2"),
            ("te", b"trailers"),
            ("x-obs-text", b"caf\xe9"),
            ("x-empty", b""),
        ]),
    };
    let v4 = RequestHead {
        method: Method::from_bytes(b"M-SEARCH").unwrap(),
        path: PathAndQuery::from_static("*"),
        client: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        ..least.clone()
    };
    let long = RequestHead { has_body: true, fields: fields(&[("x-long", &[b'v'; 70])]), ..least.clone() };
    vec![("no part", least), ("every part", all), ("method of its own, IPv4 caller", v4), ("two-byte length", long)]
}

/// Final heads of answers.
pub(crate) fn response_heads() -> Vec<Named<ResponseHead>> {
    vec![
        ("no part", ResponseHead { status: StatusCode::OK, upgrade: None, fields: HeaderMap::new() }),
        (
            "repeated fields",
            ResponseHead {
                status: StatusCode::NOT_FOUND,
                upgrade: None,
                fields: fields(&[
                    ("content-type", b"application/json"),
                    ("set-cookie", b"a=1"),
                    ("set-cookie", b"b=\xff"),
                ]),
            },
        ),
        (
            "101",
            ResponseHead {
                status: StatusCode::SWITCHING_PROTOCOLS,
                upgrade: Some(HeaderValue::from_static("websocket")),
                fields: fields(&[("sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")]),
            },
        ),
    ]
}

/// Informational answers.
pub(crate) fn infos() -> Vec<Named<ResponseHead>> {
    vec![
        ("100", ResponseHead { status: StatusCode::CONTINUE, upgrade: None, fields: HeaderMap::new() }),
        (
            "103",
            ResponseHead {
                status: StatusCode::EARLY_HINTS,
                upgrade: None,
                fields: fields(&[("link", b"</style.css>; rel=preload")]),
            },
        ),
    ]
}

/// Trailer sections.
pub(crate) fn trailers() -> Vec<Named<HeaderMap>> {
    vec![
        ("none", HeaderMap::new()),
        ("repeated fields", fields(&[("digest", b"sha-256=:x:"), ("x-part", b"1"), ("x-part", b"\x80")])),
    ]
}

/// Frames without a head.
pub(crate) fn other_frames() -> Vec<Named<Bytes>> {
    let data = |len| written(|out| wire::data_header(len, out));
    vec![
        ("DATA of 0 bytes (header)", data(0)),
        ("DATA of 63 bytes (header)", data(63)),
        ("DATA of 64 bytes (header)", data(64)),
        ("DATA of 16383 bytes (header)", data(16_383)),
        ("DATA of 16384 bytes (header)", data(16_384)),
        ("DATA of 1048576 bytes (header)", data(1 << 20)),
        ("END", written(wire::end)),
        ("UPGRADED", written(wire::upgraded)),
    ]
}

/// Digests of known tokens, with every part and with none.
pub(crate) fn tokens() -> Vec<TokenEntry> {
    let parts = |token: TokenEntry| TokenEntry {
        rate: Some("100/min:20".parse().unwrap()),
        label: Some("laptop".into()),
        ..token
    };
    vec![
        parts(TokenEntry { expires_at: Some(1_790_000_000), ..TokenEntry::new("t1", Digest::of(b"abc")) }),
        parts(TokenEntry { ttl: Some(3600), ..TokenEntry::new("t2", Digest::of(b"def")) }),
        TokenEntry::new("t3", Digest::of(b"")),
    ]
}

/// When they die.
fn lives() -> Vec<TokenLife> {
    vec![
        TokenLife { id: "t1".into(), expires_at: Some(1_790_000_000) },
        TokenLife { id: "t3".into(), expires_at: None },
    ]
}

/// What an agent says.
pub(crate) fn from_agent() -> Vec<Named<FromAgent>> {
    vec![
        (
            "hello, every part",
            FromAgent::Hello(Hello {
                agent: "gantz/0.1.0".into(),
                access_key: Some(Secret::new("gzk_key".into())),
                wanted_name: Some("my-tools".into()),
                resume: Some(Secret::new("ticket".into())),
                moves: true,
                run: Some(Run { id: "0123456789abcdef0123456789abcdef".into(), opening: 3 }),
                policy: Policy { open: false, tokens: tokens(), allowed_origins: vec!["https://app.test".into()] },
            }),
        ),
        (
            "hello, no part",
            FromAgent::Hello(Hello {
                agent: "gantz/0.1.0".into(),
                access_key: None,
                wanted_name: None,
                resume: None,
                moves: false,
                run: None,
                policy: Policy::default(),
            }),
        ),
        ("set_tokens", FromAgent::SetTokens { generation: 2, tokens: tokens() }),
        ("set_tokens, none", FromAgent::SetTokens { generation: u64::MAX, tokens: Vec::new() }),
        ("arrived", FromAgent::Arrived),
        ("goodbye", FromAgent::Goodbye),
    ]
}

/// What a relay says.
pub(crate) fn from_relay() -> Vec<Named<FromRelay>> {
    let refused = |code| FromRelay::Refused(Refused { code, message: "why".into(), retry_after: None });
    vec![
        (
            "welcome",
            FromRelay::Welcome(Welcome {
                name: Name::parse("cool-penguin-7f3k9q").unwrap(),
                url: "https://cool-penguin-7f3k9q.relay.test".into(),
                resume: Secret::new("ticket".into()),
                relay: "gantz-relay/0.1.0".into(),
                limits: Limits { max_body: 16 << 20 },
                lives: lives(),
                awaited: true,
            }),
        ),
        ("refused, bad key", refused(RefusalCode::BadKey)),
        ("refused, name taken", refused(RefusalCode::NameTaken)),
        ("refused, invalid name", refused(RefusalCode::InvalidName)),
        ("refused, invalid hello", refused(RefusalCode::InvalidHello)),
        (
            "refused, relay full, with an hour to come back",
            FromRelay::Refused(Refused {
                code: RefusalCode::RelayFull,
                message: "why".into(),
                retry_after: Some(3600),
            }),
        ),
        ("refused, draining", refused(RefusalCode::Draining)),
        ("refused, too old", refused(RefusalCode::TooOld)),
        ("refused, quota reached", refused(RefusalCode::QuotaReached)),
        ("refused, name not allowed", refused(RefusalCode::NameNotAllowed)),
        ("refused, superseded", refused(RefusalCode::Superseded)),
        ("refused, unknown", refused(RefusalCode::Unknown)),
        ("tokens_applied", FromRelay::TokensApplied { generation: 2, lives: lives() }),
        ("ticket", FromRelay::Ticket { resume: Secret::new("newer".into()) }),
        ("draining", FromRelay::Draining { deadline_secs: 30 }),
    ]
}
