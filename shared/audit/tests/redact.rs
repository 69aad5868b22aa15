//! A secret never survives, wherever it is; what is no secret does; and nothing is longer than it may be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should fail where it stands"
)]

use gantz_audit::{MAX_DEPTH, MAX_STRING, MAX_TOTAL, REDACTED, SECRET_NAMES, SECRET_WORDS, redact};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Values without any letter of a secret, which is upper case and digits. They have secret names among them.
fn harmless() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        "[a-z\u{e9}\u{4e2d} \n\"]{0,20}".prop_map(Value::from),
        Just(json!("token")),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[a-z_-]{0,10}", inner), 0..5)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A name from the lists, in some spelling.
fn secret_name() -> impl Strategy<Value = String> {
    let words = prop::sample::select(SECRET_WORDS)
        .prop_flat_map(|word| (Just(word), "[A-Za-z0-9_.-]{0,8}", "[A-Za-z0-9_.-]{0,8}"));
    let words = words.prop_map(|(word, before, after)| (word.to_owned(), before, after));
    let names = prop::sample::select(SECRET_NAMES)
        .prop_map(|name| (name.to_owned(), String::new(), "[_.-]?".replace("[_.-]?", "")));
    (prop_oneof![3 => words, 1 => names], prop::collection::vec((any::<bool>(), "[_. -]{0,1}"), 40)).prop_map(
        |((word, before, after), spelling)| {
            let mut name = before;
            for (letter, (is_upper, separator)) in word.chars().filter(|letter| *letter != ' ').zip(spelling) {
                name.push(if is_upper { letter.to_ascii_uppercase() } else { letter });
                name.push_str(&separator);
            }
            name + &after
        },
    )
}

/// Puts `value` into some object or array of `into`, or around it.
fn plant(into: &mut Value, path: &[prop::sample::Index], name: &str, value: Value) {
    let (here, deeper) = match path.split_first() {
        Some((first, rest)) => (first, Some(rest)),
        None => return set(into, name, value),
    };
    match into {
        Value::Array(elements) if !elements.is_empty() => {
            let index = here.index(elements.len());
            plant(&mut elements[index], deeper.unwrap_or_default(), name, value);
        }
        Value::Object(members) if !members.is_empty() => {
            let index = here.index(members.len());
            if let Some(member) = members.values_mut().nth(index) {
                plant(member, deeper.unwrap_or_default(), name, value);
            }
        }
        _ => set(into, name, value),
    }
}

fn set(into: &mut Value, name: &str, value: Value) {
    match into {
        Value::Object(members) => {
            members.insert(name.to_owned(), value);
        }
        Value::Array(elements) => elements.push(json!({ name: value })),
        other => *other = json!([other.take(), { name: value }]),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Every issuer's form, and every way to write a name with its value in a text. `§` is the secret.
const TEXTS: [&str; 26] = [
    "gtz_§",
    "gzk_§",
    "sk-§",
    "sk-ant-api03-§",
    "sk_live_§",
    "ghp_§",
    "gho_§",
    "github_pat_§",
    "glpat-§",
    "xoxb-§",
    "Bearer §",
    "bearer  §",
    "Authorization: Basic §",
    "eyJhbGciOiJIUzI1NiJ9.§.§",
    "-----BEGIN PRIVATE KEY-----\n§\n-----END PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----\n§",
    "https://user:§@host/",
    "password=§",
    "?a=b&access_token=§",
    r#"{"client_secret": "§"}"#,
    r#"{\"apiKey\":\"§\"}"#,
    "Cookie: sid=§",
    "export DB_PASSWORD='§'",
    "--token §",
    "-pass §",
    "X-Session-Id: §",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_secret_under_a_secret_name_never_survives(
        mut value in harmless(),
        path in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        name in secret_name(),
        secret in "[A-Z0-9]{4,40}",
        shape in 0..5,
    ) {
        let planted = match shape {
            0 => json!(secret),
            1 => json!([secret, 1]),
            2 => json!({ "value": { "inner": secret } }),
            3 => json!({ &secret: true }),
            _ => json!(format!("x{secret}y")),
        };
        plant(&mut value, &path, &name, planted);
        prop_assume!(!name.contains(&secret));
        prop_assert!(value.to_string().contains(&secret), "it was not planted");
        let redacted = redact(&value).to_string();
        prop_assert!(!redacted.contains(&secret), "{value} became {redacted}");
    }

    #[test]
    fn a_number_under_a_secret_name_never_survives(
        mut value in harmless(),
        path in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        secret in 1_000_000_000_000u64..,
    ) {
        plant(&mut value, &path, "pin", json!(secret));
        prop_assert!(!redact(&value).to_string().contains(&secret.to_string()));
    }

    #[test]
    fn a_secret_that_a_text_shows_never_survives(
        mut value in harmless(),
        path in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        text in prop::sample::select(&TEXTS[..]),
        before in prop_oneof![Just(String::new()), "[a-z ]{0,2000}[ \n\"'(]"],
        after in "([ \n\"')][a-z ]{0,2000})?",
        secret in "[A-Z][A-Z0-9]{19,59}",
        as_name in any::<bool>(),
    ) {
        let text = format!("{before}{}{after}", text.replace('§', &secret));
        if as_name {
            plant(&mut value, &path, &text, json!(1));
        } else {
            plant(&mut value, &path, "text", json!(text));
        }
        let redacted = redact(&value).to_string();
        // Not even the beginning of it, where the text is cut.
        prop_assert!(!redacted.contains(&secret[..4]), "{value} became {redacted}");
    }

    #[test]
    fn a_secret_that_a_text_shows_once_it_is_decoded_never_survives(
        text in prop::sample::select(&TEXTS[..]),
        secret in "[A-Z][A-Z0-9]{19,59}",
        rounds in prop::collection::vec(0..4, 1..20),
    ) {
        let text = text.replace('§', &secret);
        // Each character is encoded as often as it likes.
        let encoded = |(byte, rounds): (u8, &i32)| match rounds {
            0 => char::from(byte).to_string(),
            1 => format!("%{byte:02x}"),
            2 => format!("%25{byte:02X}"),
            _ => format!("%2525{byte:02x}"),
        };
        let text: String = text.bytes().zip(rounds.iter().cycle()).map(encoded).collect();
        prop_assert_eq!(redact(&json!({ "text": &text })), json!({ "text": REDACTED }), "{}", text);
    }

    #[test]
    fn what_is_kept_is_bounded(value in harmless(), times in 1usize..400, deep in 0usize..60) {
        let mut value = json!(vec![value; times]);
        for _ in 0..deep {
            value = json!({ "deeper": value });
        }
        let redacted = redact(&value);
        prop_assert!(depth(&redacted) <= MAX_DEPTH);
        // A character is at most six in JSON, and a value of 16 that count stands for at most as much punctuation.
        prop_assert!(redacted.to_string().len() <= 8 * MAX_TOTAL, "{}", redacted.to_string().len());
    }
}

#[test]
fn what_is_no_secret_is_kept_as_it_is() {
    let value = json!({
        "path": "/home/me/notes.md", "limit": 10, "ratio": 0.5, "deep": { "list": [1, "two", null, true] },
        "author": "me", "primary_key": 7, "text": "a task-based\napproach — ✓",
    });
    assert_eq!(redact(&value), value);
}

#[test]
fn secrets_that_stand_beside_or_after_their_names_are_hidden() {
    let value = json!({
        "headers": [{ "name": "X-Api-Key", "value": "hunter2" }, { "name": "Accept", "value": "*/*" }],
        "env": { "key": "DB_PASSWORD", "value": "my-secret-token" },
        "pairs": [["Authorization", "hunter2"], ["Accept", "*/*"]],
        "args": ["--user", "me", "--password", "hunter2", "--verbose"],
        "token": null,
    });
    assert_eq!(
        redact(&value),
        json!({
            "headers": [{ "name": "X-Api-Key", "value": REDACTED }, { "name": "Accept", "value": "*/*" }],
            "env": { "key": "DB_PASSWORD", "value": REDACTED },
            "pairs": [["Authorization", REDACTED], ["Accept", "*/*"]],
            "args": ["--user", "me", "--password", REDACTED, "--verbose"],
            "token": null,
        })
    );
}

#[test]
fn what_is_cut_says_so() {
    let long = "é".repeat(MAX_STRING);
    let cut = redact(&json!(long));
    let cut = cut.as_str().unwrap();
    assert_eq!(cut, format!("{}… [{} bytes]", "é".repeat(MAX_STRING / 2), 2 * MAX_STRING));
    let many = redact(&json!(vec![0; 1_000_000]));
    let many = many.as_array().unwrap();
    assert_eq!(many.last().unwrap(), &json!(format!("[left out] {}", 1_000_000 - many.len() + 1)));
    let members: Map<_, _> = (0..10_000).map(|number| (number.to_string(), json!(0))).collect();
    let members = redact(&json!(members));
    assert_eq!(members["[left out]"], 10_000 - members.as_object().unwrap().len() + 1);
}
