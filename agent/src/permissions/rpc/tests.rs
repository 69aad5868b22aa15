use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(body: &str) -> Result<Messages, Unreadable> {
    Messages::read(body.as_bytes())
}

fn tool(body: &str) -> Option<String> {
    read(body).unwrap().list[0].tool().map(str::to_owned)
}

#[test]
fn calls_are_found_however_they_are_written() {
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{}}}"#,
        r#"{"params":{"arguments":{"name":"y"},"name":"x"},"method":"tools/call","id":"a","jsonrpc":"2.0"}"#,
        r#"{"jsonrpc":"2.0","id":1,"m\u0065thod":"tools\/call","params":{"n\u0061me":"\u0078"}}"#,
        " \r\n\t{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{\"name\":\"x\",\"more\":[[]]}} \n",
    ] {
        assert_eq!(tool(body).as_deref(), Some("x"), "{body}");
    }
}

#[test]
fn everything_else_passes_too() {
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"clientInfo":{"name":"n","name":"m"}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":["a",1.5,null,true]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"method":"tools/call"}}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","id":1,"result":1}]"#,
    ] {
        let messages = read(body).unwrap_or_else(|error| panic!("{body}: {error}"));
        assert!(messages.list.iter().all(|message| message.tool().is_none()), "{body}");
    }
}

#[test]
fn ids_are_kept_as_they_are() {
    let id = |text: &str| read(&format!(r#"{{"jsonrpc":"2.0","id":{text},"method":"m"}}"#)).unwrap().list.remove(0).id;
    assert_eq!(id("7"), Some(Id::Number(7.into())));
    assert_eq!(id("-7"), Some(Id::Number((-7).into())));
    assert_eq!(id(r#""7""#), Some(Id::Text("7".to_owned())));
    assert_eq!(id("null"), None);
    assert_eq!(id("{}"), None);
}

#[test]
fn what_servers_might_read_differently_is_not_read() {
    let around = |members: &str| format!(r#"{{"jsonrpc":"2.0","id":1,{members}}}"#);
    let call = |params: &str| around(&format!(r#""method":"tools/call","params":{params}"#));
    for body in [
        around(r#""method":"tools/list","method":"tools/call""#),
        around(r#""method":"tools/list","m\u0065thod":"tools/call""#),
        around(r#""method":"tools/list","Method":"tools/call""#),
        around(r#""METHOD":"tools/call","params":{"name":"x"}"#),
        around(r#""method":"tools/call","params":{"name":"x"},"param\u017f":{"name":"y"}"#),
        around(r#""method":"tools/list","__proto__":{"method":"tools/call"}"#),
        around(r#""method":"tools/list","method\u0000":"tools/call""#),
        around(r#""method":"tools/list","a":1,"a":2"#),
        call(r#"{"name":"x","name":"y"}"#),
        call(r#"{"name":"x","n\u0061me":"y"}"#),
        call(r#"{"name":"x","Name":"y"}"#),
        call(r#"{"name":"x","__proto__":{"name":"y"}}"#),
        format!("[{},{}]", around(r#""method":"ping""#), call(r#"{"name":"x","name":"y"}"#)),
    ] {
        assert_eq!(read(&body), Err(Unreadable::Ambiguous), "{body}");
    }
}

#[test]
fn what_is_not_rpc_is_not_read() {
    for body in [
        "{}",
        "[]",
        "[[]]",
        "1",
        "null",
        r#""tools/call""#,
        "[1]",
        r#"{"method":"tools/list","id":1}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call\u0000","params":{"name":"x"}}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call\u200b","params":{"name":"x"}}"#,
        r#"{"jsonrpc":"1.0","method":"tools/list"}"#,
        r#"{"jsonrpc":2.0,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","method":1}"#,
        r#"{"jsonrpc":"2.0","method":["tools/call"]}"#,
        r#"{"jsonrpc":"2.0","method":"tools/list","result":{}}"#,
        r#"{"jsonrpc":"2.0","method":"m","params":"text"}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":["x"]}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":["x"]}}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"x\u0000y"}}"#,
        r#"{"jsonrpc":"2.0","method":"Tools/call","params":{"name":"x"}}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call ","params":{"name":"x"}}"#,
    ] {
        assert_eq!(read(body), Err(Unreadable::NotRpc), "{body}");
    }
}

#[test]
fn what_is_not_one_json_text_is_not_read() {
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for body in [
        "",
        " ",
        "{",
        &list[..list.len() - 1],
        &format!("{list}{list}"),
        &format!("{list}\n{list}"),
        &format!("{list},"),
        &format!("{list}\0"),
        &format!("/**/{list}"),
        &format!("[{list},]"),
        &list.replace('"', "'"),
        &list.replace('1', "NaN"),
        &list.replace('1', "01"),
        &list.replace('1', r#""\ud800""#),
        &list.replace('1', "\"\t\""),
    ] {
        assert_eq!(read(body), Err(Unreadable::NotJson), "{body:?}");
    }
    assert_eq!(read(&format!("\u{feff}{list}")), Err(Unreadable::Bom));
    assert_eq!(Messages::read(&[list.as_bytes(), b"\xff"].concat()), Err(Unreadable::NotUtf8));
    let utf_16: Vec<u8> = list.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(Messages::read(&utf_16), Err(Unreadable::NotJson));
}

#[test]
fn depth_and_batches_have_an_end() {
    let nested = |depth: usize| {
        let arguments = "[".repeat(depth) + &"]".repeat(depth);
        format!(r#"{{"jsonrpc":"2.0","method":"tools/call","params":{{"name":"x","arguments":{arguments}}}}}"#)
    };
    assert_eq!(tool(&nested(100)).as_deref(), Some("x"));
    assert_eq!(read(&nested(200)), Err(Unreadable::NotJson));
    assert_eq!(read(&nested(1 << 20)), Err(Unreadable::NotJson));

    let batch = |len: usize| format!("[{}]", vec![r#"{"jsonrpc":"2.0","method":"m"}"#; len].join(","));
    assert_eq!(read(&batch(MAX_BATCH)).unwrap().list.len(), MAX_BATCH);
    assert_eq!(read(&batch(MAX_BATCH + 1)), Err(Unreadable::LongBatch));
}

#[test]
fn debug_shows_neither_names_nor_ids() {
    let body = r#"{"jsonrpc":"2.0","id":"secret-id","method":"tools/call","params":{"name":"secret-name"}}"#;
    assert!(!format!("{:?}", read(body)).contains("secret"));
}

proptest! {
    /// What serde_json writes is read back the same, whatever stands in it.
    #[test]
    fn well_formed_calls_are_read(name in "[^\\p{Cc}]{0,12}", key in any::<String>(), value in any::<f64>()) {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": name, "arguments": { key: value } },
        });
        prop_assert_eq!(tool(&body.to_string()), Some(name));
    }

    #[test]
    fn nothing_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Messages::read(&body);
    }
}
