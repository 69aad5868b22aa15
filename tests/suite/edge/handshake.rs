//! The agent's handshake: what is no hello, and what comes too late.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use gantz_shared::control::{FromAgent, FromRelay, Hello, Policy, RefusalCode, TokenEntry};
use gantz_shared::limits::{HANDSHAKE_DEADLINE, MAX_CONTROL_MESSAGE, MAX_TOKENS};
use gantz_shared::reset::CloseCode;
use gantz_shared::token::Digest;
use gantz_tests::{canary, relay, within};
use gantz_transport::Dropped;
use gantz_transport::control::channel;

use super::raw_agent::{closed, connect, hello, open, wanting};

/// Room for a machine that is busy with other tests.
const SLACK: Duration = Duration::from_secs(10);

fn message(json: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u32(json.len() as u32);
    bytes.put_slice(json);
    bytes.freeze()
}

#[tokio::test]
async fn a_connection_that_never_says_hello_is_closed_in_time() {
    let relay = relay().start_relay();
    let started = Instant::now();
    let (_silent, silent) = connect(&relay).await;
    let (_half, half) = connect(&relay).await;
    let (mut send, _recv) = half.open(Dropped::CONTROL).await.unwrap();
    send.write(&mut [message(b"{\"type\":\"hello\"").slice(..9)]).await.unwrap();
    // Keep-alive packets do not count as saying something.
    for connection in [silent, half] {
        assert_eq!(closed(&connection).await.0, Some(CloseCode::HandshakeTimeout));
        let took = started.elapsed();
        assert!(took + Duration::from_secs(1) > HANDSHAKE_DEADLINE && took < HANDSHAKE_DEADLINE + SLACK, "{took:?}");
    }
}

#[tokio::test]
async fn what_is_no_hello_is_a_protocol_error() {
    let relay = relay().start_relay();
    let key = canary::ACCESS_KEY;
    let mut over = BytesMut::new();
    over.put_u32(MAX_CONTROL_MESSAGE as u32 + 1);
    for (what, bytes) in [
        ("goodbye", message(br#"{"type":"goodbye"}"#)),
        ("tokens", message(br#"{"type":"set_tokens","generation":1,"tokens":[]}"#)),
        ("an unknown message", message(br#"{"type":"greetings"}"#)),
        ("no message", message(b"{}")),
        ("a list", message(b"[]")),
        ("garbage", message(b"\xff\xfe{")),
        ("nothing", message(b"")),
        ("a hello without an agent", message(format!(r#"{{"type":"hello","access_key":["{key}"]}}"#).as_bytes())),
        (
            "a digest that is none",
            message(format!(r#"{{"type":"hello","agent":"x","tokens":[{{"id":"a","digest":"{key}"}}]}}"#).as_bytes()),
        ),
        ("a message over the limit", over.freeze()),
        ("HTTP", Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n")),
    ] {
        let (_dialer, connection) = connect(&relay).await;
        let (mut send, _recv) = connection.open(Dropped::CONTROL).await.unwrap();
        send.write(&mut [bytes]).await.unwrap();
        let (code, reason) = closed(&connection).await;
        assert_eq!(code, Some(CloseCode::Protocol), "{what}: {reason}");
        assert!(!reason.is_empty() && canary::find(reason.as_bytes()).is_none(), "{what}: {reason}");
    }
    // Ended before it began.
    let (_dialer, connection) = connect(&relay).await;
    let (mut send, _recv) = connection.open(Dropped::CONTROL).await.unwrap();
    send.finish().unwrap();
    assert_eq!(closed(&connection).await.0, Some(CloseCode::Refused));
    // None of it was in anybody's way.
    assert!(open(&relay, hello()).await.is_ok());
}

#[tokio::test]
async fn a_hello_may_come_in_pieces_and_say_more_than_this_version_knows() {
    let relay = relay().start_relay();
    let (_dialer, connection) = connect(&relay).await;
    let (mut send, recv) = connection.open(Dropped::CONTROL).await.unwrap();
    let hello =
        message(br#"{"type":"hello","agent":"test/9","wanted_name":"pieces","new_thing":{"a":[1]},"open":true}"#);
    for byte in hello.chunks(1) {
        send.write(&mut [Bytes::copy_from_slice(byte)]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let (_sender, mut receiver) = channel((send, recv));
    match within("welcome", receiver.receive()).await.unwrap() {
        Some(FromRelay::Welcome(welcome)) => assert_eq!(welcome.name.as_str(), "pieces"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_hello_over_a_limit_is_refused_with_the_reason() {
    let relay = relay().start_relay();
    let token = |id: String| TokenEntry::new(id, Digest::of(b"x"));
    let many = Policy { tokens: (0..=MAX_TOKENS).map(|id| token(id.to_string())).collect(), ..Policy::default() };
    let long = Policy { tokens: vec![token("x".repeat(100))], ..Policy::default() };
    let origins = Policy { allowed_origins: vec!["https://x".into(); 100], ..Policy::default() };
    for policy in [many, long, origins] {
        let refused = open(&relay, Hello { policy, ..hello() }).await.err().expect("refused");
        assert_eq!(refused.code, RefusalCode::InvalidHello);
        assert!(refused.message.contains("more than"), "{}", refused.message);
    }
}

#[tokio::test]
async fn a_second_hello_ends_the_tunnel() {
    let relay = relay().start_relay();
    let mut agent = open(&relay, wanting("twice")).await.unwrap();
    agent.sender.send(&FromAgent::Hello(hello())).await.unwrap();
    let (code, reason) = closed(&agent.connection).await;
    assert_eq!((code, reason.as_str()), (Some(CloseCode::Protocol), "hello came twice"));
}

#[tokio::test]
async fn new_tokens_over_a_limit_end_the_tunnel() {
    let relay = relay().start_relay();
    let mut agent = open(&relay, hello()).await.unwrap();
    let token = TokenEntry { label: Some("y".repeat(65)), ..TokenEntry::new("x", Digest::of(b"x")) };
    agent.sender.send(&FromAgent::SetTokens { generation: 1, tokens: vec![token] }).await.unwrap();
    assert_eq!(closed(&agent.connection).await.0, Some(CloseCode::Protocol));
}
