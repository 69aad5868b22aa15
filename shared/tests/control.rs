//! Control messages: whatever is said comes out, however the bytes are cut up; what a later version adds is ignored, what
//! it replaces is an error; and no secret is ever in an error or in `Debug`.

#![allow(clippy::unwrap_used, clippy::panic)]

mod samples;

use bytes::{BufMut, BytesMut};
use gantz_shared::control::{
    ControlError, FromAgent, FromRelay, Hello, Limits, Policy, RefusalCode, Refused, Run, Secret, TokenEntry,
    TokenLife, Welcome, check_tokens, decode, encode,
};
use gantz_shared::limits::{MAX_ALLOWED_ORIGINS, MAX_CONTROL_MESSAGE, MAX_LABEL, MAX_TOKENS};
use gantz_shared::name::Name;
use gantz_shared::token::Digest;
use proptest::prelude::*;
use samples::{encode_message, written};
use serde::Serialize;
use serde_json::{Value, json};

const CANARY: &str = "canary-7f3k9q";

fn framed(json: &[u8]) -> BytesMut {
    let mut framed = BytesMut::new();
    framed.put_u32(json.len() as u32);
    framed.put_slice(json);
    framed
}

fn value(message: &impl Serialize) -> Value {
    serde_json::to_value(message).unwrap()
}

fn agent_says(json: &Value) -> Result<Option<FromAgent>, ControlError> {
    decode(&mut framed(json.to_string().as_bytes()))
}

fn relay_says(json: &Value) -> Result<Option<FromRelay>, ControlError> {
    decode(&mut framed(json.to_string().as_bytes()))
}

fn secret() -> impl Strategy<Value = Secret> {
    "\\PC{0,20}".prop_map(Secret::new)
}

fn tokens() -> impl Strategy<Value = Vec<TokenEntry>> {
    let life = (any::<Option<u64>>(), any::<Option<u64>>());
    let rate = prop::option::of(prop::sample::select(vec!["1/s", "100/min:7", "5000/h"]));
    let entry = ("\\PC{0,12}", any::<Vec<u8>>(), life, rate, prop::option::of("\\PC{0,12}"));
    let entry = entry.prop_map(|(id, secret, (ttl, expires_at), rate, label)| TokenEntry {
        ttl,
        expires_at,
        rate: rate.map(|rate| rate.parse().unwrap()),
        label,
        ..TokenEntry::new(id, Digest::of(&secret))
    });
    prop::collection::vec(entry, 0..4)
}

fn from_agent() -> impl Strategy<Value = FromAgent> {
    let policy = (any::<bool>(), tokens(), prop::collection::vec("\\PC{0,20}", 0..3))
        .prop_map(|(open, tokens, allowed_origins)| Policy { open, tokens, allowed_origins });
    let wishes = (prop::option::of(secret()), prop::option::of("\\PC{0,20}"), prop::option::of(secret()));
    let hello = (any::<String>(), wishes, any::<bool>(), policy).prop_map(
        |(agent, (access_key, wanted_name, resume), moves, policy)| {
            let run = moves.then(|| Run { id: agent.clone(), opening: 7 });
            FromAgent::Hello(Hello { agent, access_key, wanted_name, resume, moves, run, policy })
        },
    );
    let set_tokens =
        (any::<u64>(), tokens()).prop_map(|(generation, tokens)| FromAgent::SetTokens { generation, tokens });
    prop_oneof![hello, set_tokens, Just(FromAgent::Arrived), Just(FromAgent::Goodbye)]
}

fn lives() -> impl Strategy<Value = Vec<TokenLife>> {
    let life = ("\\PC{0,12}", any::<Option<u64>>()).prop_map(|(id, expires_at)| TokenLife { id, expires_at });
    prop::collection::vec(life, 0..4)
}

fn from_relay() -> impl Strategy<Value = FromRelay> {
    let welcome =
        ("t[a-z0-9]{1,20}", any::<String>(), secret(), any::<String>(), (any::<u64>(), any::<bool>()), lives())
            .prop_map(|(name, url, resume, relay, (max_body, awaited), lives)| {
                let limits = Limits { max_body };
                let name = Name::parse(&name).unwrap();
                FromRelay::Welcome(Welcome { name, url, resume, relay, limits, lives, awaited })
            });
    let code = prop::sample::select(vec![
        RefusalCode::BadKey,
        RefusalCode::NameTaken,
        RefusalCode::InvalidName,
        RefusalCode::InvalidHello,
        RefusalCode::RelayFull,
        RefusalCode::Draining,
        RefusalCode::TooOld,
        RefusalCode::QuotaReached,
        RefusalCode::NameNotAllowed,
        RefusalCode::Superseded,
        RefusalCode::Unknown,
    ]);
    let refused = (code, any::<String>(), any::<Option<u64>>())
        .prop_map(|(code, message, retry_after)| FromRelay::Refused(Refused { code, message, retry_after }));
    prop_oneof![
        welcome,
        refused,
        (any::<u64>(), lives()).prop_map(|(generation, lives)| FromRelay::TokensApplied { generation, lives }),
        any::<String>().prop_map(|ticket| FromRelay::Ticket { resume: Secret::new(ticket) }),
        any::<u64>().prop_map(|deadline_secs| FromRelay::Draining { deadline_secs }),
    ]
}

/// Each message comes out of a stream of them, and only when its last byte is there.
fn comes_out<M: Serialize + serde::de::DeserializeOwned>(messages: &[M]) {
    let stream: Vec<u8> = messages.iter().flat_map(encode_message).collect();
    let ends: Vec<usize> = messages
        .iter()
        .scan(0, |end, message| {
            *end += encode_message(message).len();
            Some(*end)
        })
        .collect();
    let mut buffer = BytesMut::new();
    let mut seen = 0;
    for (at, byte) in stream.iter().enumerate() {
        buffer.put_u8(*byte);
        let message: Option<M> = decode(&mut buffer).unwrap();
        assert_eq!(message.is_some(), ends.contains(&(at + 1)), "after {} bytes", at + 1);
        if let Some(message) = message {
            assert_eq!(value(&message), value(&messages[seen]));
            seen += 1;
        }
    }
    assert_eq!(seen, messages.len());
    assert!(buffer.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_an_agent_says_comes_out_as_it_went_in(messages in prop::collection::vec(from_agent(), 1..4)) {
        comes_out(&messages);
    }

    #[test]
    fn what_a_relay_says_comes_out_as_it_went_in(messages in prop::collection::vec(from_relay(), 1..4)) {
        comes_out(&messages);
    }

    /// Whatever is wrong with a message, its error is as silent about the secrets in it as the message itself.
    #[test]
    fn a_damaged_message_keeps_its_secrets(at in any::<prop::sample::Index>(), byte in any::<u8>(), is_cut: bool) {
        let json = json!({
            "type": "hello", "agent": "gantz/0.1.0", "access_key": CANARY, "resume": CANARY,
            "tokens": [{ "id": "t1", "digest": CANARY }],
        });
        let mut json = json.to_string().into_bytes();
        let at = at.index(json.len());
        if is_cut { json.truncate(at) } else { json[at] = byte }
        let shown = match decode::<FromAgent>(&mut framed(&json)) {
            Ok(message) => format!("{message:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!shown.contains(&CANARY[..6]), "{shown}");
    }
}

#[test]
fn secrets_are_not_in_debug() {
    let digest = Digest::of(CANARY.as_bytes());
    let hello = Hello {
        agent: "gantz".into(),
        access_key: Some(Secret::new(CANARY.into())),
        wanted_name: None,
        resume: Some(Secret::new(CANARY.into())),
        moves: false,
        run: None,
        policy: Policy { tokens: vec![TokenEntry::new("t1", digest)], ..Policy::default() },
    };
    let welcome = Welcome {
        name: Name::parse("cool").unwrap(),
        url: "https://cool.relay.test".into(),
        resume: Secret::new(CANARY.into()),
        relay: String::new(),
        limits: Limits { max_body: 0 },
        lives: Vec::new(),
        awaited: false,
    };
    let set_tokens = FromAgent::SetTokens { generation: 1, tokens: hello.policy.tokens.clone() };
    let shown = format!("{:?} {set_tokens:?} {:?}", FromAgent::Hello(hello), FromRelay::Welcome(welcome));
    assert!(!shown.contains(CANARY) && !shown.contains(&String::from(digest)), "{shown}");
    assert!(shown.contains("Secret(…)") && shown.contains("Digest(…)"), "{shown}");
}

#[test]
fn fields_that_a_later_version_adds_are_ignored() {
    let later = json!({ "deep": [1, { "type": "goodbye" }], "wide": "x".repeat(1000) });
    for (_, message) in samples::from_agent() {
        let mut json = value(&message);
        json["later"] = later.clone();
        if let Some(tokens) = json.get_mut("tokens").and_then(Value::as_array_mut) {
            tokens.iter_mut().for_each(|token| token["later"] = later.clone());
        }
        assert_eq!(value(&agent_says(&json).unwrap().unwrap()), value(&message));
    }
    for (_, message) in samples::from_relay() {
        let mut json = value(&message);
        json["later"] = later.clone();
        if let Some(limits) = json.get_mut("limits") {
            limits["later"] = later.clone();
        }
        assert_eq!(value(&relay_says(&json).unwrap().unwrap()), value(&message));
    }
}

/// What an older version leaves out has a meaning.
#[test]
fn fields_with_a_default_may_be_left_out() {
    let Ok(Some(FromAgent::Hello(hello))) = agent_says(&json!({ "type": "hello", "agent": "old" })) else {
        panic!("the least hello")
    };
    assert!(!hello.policy.open && hello.policy.tokens.is_empty() && hello.policy.allowed_origins.is_empty());
    let welcome = json!({
        "type": "welcome", "name": "cool", "url": "https://cool.relay.test", "resume": "r", "limits": { "max_body": 0 },
    });
    assert!(matches!(relay_says(&welcome), Ok(Some(FromRelay::Welcome(welcome))) if welcome.relay.is_empty()));
}

#[test]
fn a_refusal_of_a_later_kind_is_a_refusal() {
    let refused = json!({ "type": "refused", "code": "later_kind", "message": "why" });
    let Ok(Some(FromRelay::Refused(refused))) = relay_says(&refused) else { panic!("no refusal") };
    assert_eq!((refused.code, refused.message.as_str()), (RefusalCode::Unknown, "why"));
}

#[test]
fn messages_that_this_version_does_not_know_are_errors() {
    for json in [
        json!({ "type": "later" }),
        json!({ "type": "welcome" }),
        json!({ "agent": "gantz" }),
        json!({ "type": "hello" }),
        json!({ "type": "set_tokens", "generation": -1, "tokens": [] }),
        json!({ "type": "set_tokens", "generation": 1, "tokens": [{ "id": "t1", "digest": "short" }] }),
        json!([]),
        json!("goodbye"),
        json!(null),
    ] {
        assert!(matches!(agent_says(&json), Err(ControlError::Malformed(_))), "{json}");
    }
    for json in [
        json!({ "type": "goodbye" }),
        json!({ "type": "tokens_applied" }),
        json!({ "type": "welcome", "name": "not a name", "url": "", "resume": "", "limits": { "max_body": 0 } }),
    ] {
        assert!(matches!(relay_says(&json), Err(ControlError::Malformed(_))), "{json}");
    }
    for bytes in [&b""[..], b"{", b"\xff\xfe", b"{\"type\":\"goodbye\"}{}"] {
        assert!(matches!(decode::<FromAgent>(&mut framed(bytes)), Err(ControlError::Malformed(_))), "{bytes:?}");
    }
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_does_not() {
    let hello = |len: usize| {
        let agent = "a".repeat(len);
        let (access_key, wanted_name, resume, policy) = (None, None, None, Policy::default());
        FromAgent::Hello(Hello { agent, access_key, wanted_name, resume, moves: false, run: None, policy })
    };
    let overhead = encode_message(&hello(0)).len() - 4;
    for len in [MAX_CONTROL_MESSAGE - 1, MAX_CONTROL_MESSAGE] {
        let frame = encode_message(&hello(len - overhead));
        assert_eq!(frame.len(), 4 + len);
        assert!(matches!(decode(&mut BytesMut::from(&frame[..])), Ok(Some(FromAgent::Hello(_)))));
    }
    let mut out = BytesMut::from(&b"before"[..]);
    let too_long = MAX_CONTROL_MESSAGE + 1;
    assert_eq!(encode(&hello(too_long - overhead), &mut out), Err(ControlError::TooLong(too_long)));
    assert_eq!(out, "before");
    // Known from the length alone, before any of it has come.
    for len in [too_long as u32, u32::MAX] {
        let result = decode::<FromAgent>(&mut BytesMut::from(&written(|out| out.put_u32(len))[..]));
        assert_eq!(result.map(drop), Err(ControlError::TooLong(len as usize)));
    }
}

#[test]
fn as_many_tokens_labels_and_origins_as_allowed_and_not_one_more() {
    let token = |index: usize, len: usize| TokenEntry {
        ttl: Some(u64::MAX),
        expires_at: Some(u64::MAX),
        rate: Some("4294967295/min:4294967294".parse().unwrap()),
        label: Some("\"".repeat(len)),
        ..TokenEntry::new(format!("{index:0len$}"), Digest::of(b""))
    };
    let tokens = |count: usize, len: usize| (0..count).map(|index| token(index, len)).collect::<Vec<_>>();
    for (count, fits) in [(MAX_TOKENS - 1, true), (MAX_TOKENS, true), (MAX_TOKENS + 1, false)] {
        assert_eq!(check_tokens(&tokens(count, 1)).is_ok(), fits, "{count}");
    }
    for (len, fits) in [(MAX_LABEL - 1, true), (MAX_LABEL, true), (MAX_LABEL + 1, false)] {
        let (mut id, mut label) = (token(0, len), token(0, len));
        label.id.clear();
        id.label = None;
        assert_eq!((check_tokens(&[id]).is_ok(), check_tokens(&[label]).is_ok()), (fits, fits), "{len}");
    }
    for (count, fits) in
        [(MAX_ALLOWED_ORIGINS - 1, true), (MAX_ALLOWED_ORIGINS, true), (MAX_ALLOWED_ORIGINS + 1, false)]
    {
        let policy = Policy { allowed_origins: vec!["*".into(); count], ..Policy::default() };
        assert_eq!(policy.check().is_ok(), fits, "{count}");
    }
    // A tunnel with all of its tokens still has a hello that fits.
    let policy = Policy { tokens: tokens(MAX_TOKENS, MAX_LABEL), ..Policy::default() };
    assert!(encode(&FromAgent::SetTokens { generation: 1, tokens: policy.tokens }, &mut BytesMut::new()).is_ok());
}

#[test]
fn ids_are_unique_and_names_have_no_control_characters() {
    let token = |id: &str| TokenEntry::new(id, Digest::of(b""));
    assert!(check_tokens(&[token("a"), token("b")]).is_ok());
    assert!(check_tokens(&[token("a"), token("b"), token("a")]).is_err());
    for bad in ["a\nb", "a\0", "\u{85}", "\u{1b}[2J"] {
        assert!(check_tokens(&[token(bad)]).is_err(), "{bad:?}");
        assert!(check_tokens(&[TokenEntry { label: Some(bad.into()), ..token("a") }]).is_err(), "{bad:?}");
    }
}
