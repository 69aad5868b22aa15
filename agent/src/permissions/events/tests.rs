use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::permissions::{Permissions, TooLarge, ToolBook, list};

fn events() -> Events {
    let permissions = Permissions { tools: Some("r*".parse().unwrap()), read_only: false };
    Events::new(Filter { permissions: Arc::new(permissions), book: None, heard: None }, &Room::default())
}

fn through(pieces: &[&[u8]]) -> Result<Vec<u8>, Withheld> {
    let mut events = events();
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(&events.push(piece)?);
    }
    out.extend_from_slice(&events.finish()?);
    Ok(out)
}

fn whole(stream: &str) -> String {
    String::from_utf8(through(&[stream.as_bytes()]).unwrap()).unwrap()
}

const BOTH: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"r"},{"name":"w"}],"nextCursor":"c"}}"#;
const CUT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"r"}],"nextCursor":"c"}}"#;

#[test]
fn only_the_data_changes() {
    for (stream, expected) in [
        (format!("data: {BOTH}\n\n"), format!("data: {CUT}\n\n")),
        (format!("data:{BOTH}\r\n\r\n"), format!("data: {CUT}\r\n\r\n")),
        (format!("data: {BOTH}\r\r"), format!("data: {CUT}\r\r")),
        (
            format!(": c\nid: 1\nevent: message\nretry: 3\ndata: {BOTH}\n: d\nodd\n\ndata: x\n\n"),
            format!(": c\nid: 1\nevent: message\nretry: 3\ndata: {CUT}\n: d\nodd\n\ndata: x\n\n"),
        ),
        (format!("\u{feff}data: {BOTH}\n\n"), format!("\u{feff}data: {CUT}\n\n")),
        (format!("data: {BOTH}\n\ndata: {BOTH}\n\n"), format!("data: {CUT}\n\ndata: {CUT}\n\n")),
        (format!("data: [{BOTH},{BOTH}]\n\n"), format!("data: [{CUT},{CUT}]\n\n")),
        (
            "data: {\"result\":\rid: 7\r\ndata:{\"tools\":\ndata: [{\"name\":\"w\"}]\ndata\ndata:}}\n\n".to_owned(),
            "data: {\"result\":\rdata: {\"tools\":\rdata: []\rdata: \rdata: }}\rid: 7\r\n\n".to_owned(),
        ),
        // Not ended, but some readers take it.
        (format!("data: {BOTH}"), format!("data: {CUT}")),
        (format!("data: {BOTH}\nid: 1\n"), format!("data: {CUT}\nid: 1\n")),
    ] {
        assert_eq!(whole(&stream), expected, "{stream:?}");
    }
}

#[test]
fn other_events_are_left_alone() {
    for stream in [
        "event: endpoint\ndata: /messages?id=1\n\n",
        "data: [DONE]\n\n",
        "data: {\"method\":\"notifications/progress\"}\n\n",
        "data: {\"result\":{\"tools\":[ {\"name\":\"r\"} ]}}\r\n\r\n",
        "data\n\n",
        "data:\n\n",
        ":\n\n: {\n\n",
        "id: {\nData: {\n data: {\ndatax: {\n\n",
        "\u{feff}\u{feff}data: {\n\n",
        "\n\n\r\r\n",
        "data: {\"a\":1}",
        "da",
    ] {
        assert_eq!(whole(stream), stream);
    }
}

#[test]
fn what_a_laxer_reader_might_understand_is_not_let_through() {
    for stream in [
        "data: {\"result\":NaN}\n\n",
        "data:  [ {\"x\": 01}]\n\n",
        "data: {\n\ndata: }\n\n",
        "data: {\"result\":{\"tools\":[{\"name\":\"w\"",
        "\u{feff}data: {\n\n",
    ] {
        assert_eq!(through(&[stream.as_bytes()]), Err(Withheld::Unreadable), "{stream:?}");
    }
    let broken = [b"data: {\"\xff\":1,\"result\":{\"tools\":[{\"name\":\"w\"}]}}\n\n".as_slice()];
    let expected = "data: {\"\u{fffd}\":1,\"result\":{\"tools\":[]}}\n\n";
    assert_eq!(through(&broken), Ok(expected.as_bytes().to_vec()));
}

#[test]
fn only_the_current_event_is_held_back() {
    let mut events = events();
    let mut push = |piece: &str| String::from_utf8(events.push(piece.as_bytes()).unwrap().to_vec()).unwrap();
    assert_eq!(push(": keep-alive\n"), ": keep-alive\n");
    assert_eq!(push("\n"), "\n");
    assert_eq!(push("data: 1\n"), "");
    assert_eq!(push("\ndata: 2"), "data: 1\n\n");
    assert_eq!(push("\r"), "");
    assert_eq!(push("\n\r"), "data: 2\r\n\r");
    assert_eq!(push("\n"), "\n");
    assert_eq!(push(": x\r"), ": x\r");
    assert_eq!(push("\ndata"), "\n");
}

#[test]
fn an_event_has_a_limit_and_a_stream_has_none() {
    let mut events = events();
    let comment = [b":".as_slice(), &vec![b'x'; 1 << 20], b"\n"].concat();
    let event = [b"data:".as_slice(), &vec![b'x'; 1 << 20], b"\n\n"].concat();
    for _ in 0..=MAX_EVENT >> 20 {
        assert_eq!(events.push(&comment).unwrap(), comment);
        assert_eq!(events.push(&event).unwrap(), event);
    }
    let line = [b"data:".as_slice(), &vec![b'x'; 1 << 20], b"\n"].concat();
    let results: Vec<_> = (0..=MAX_EVENT >> 20).map(|_| events.push(&line)).collect();
    assert_eq!(results[0], Ok(Bytes::new()));
    assert_eq!(results.last(), Some(&Err(Withheld::Full(TooLarge { limit: MAX_EVENT }.into()))));
}

#[test]
fn nothing_comes_out_of_a_broken_stream() {
    let mut events = events();
    assert_eq!(events.push(b"data: {\n\n"), Err(Withheld::Unreadable));
    assert_eq!(events.push(b"data: 1\n\n"), Err(Withheld::Unreadable));
    assert_eq!(events.finish(), Err(Withheld::Unreadable));
}

#[tokio::test]
async fn nothing_is_noted_on_the_way_but_that_the_list_has_changed() {
    let book = Arc::new(ToolBook::default());
    let permissions = Arc::new(Permissions { tools: None, read_only: true });
    let filter = Filter { permissions, book: Some(book.clone()), heard: None };
    let tools = r#"[{"name":"a","annotations":{"readOnlyHint":true}},{"name":"b"}]"#;
    let stream = format!("data: {{\"result\":{{\"tools\":{tools}}}}}\n\n");
    let mut events = Events::new(filter, &Room::default());
    assert_eq!(events.push(stream.as_bytes()).unwrap(), stream.replace(r#",{"name":"b"}"#, ""));
    assert!(book.names().is_empty());
    assert_eq!(futures_util::FutureExt::now_or_never(book.asked()), None);
    events.push(b"data: {\"method\":\"notifications\\/tools\\/list_changed\"}\n\n").unwrap();
    assert_eq!(futures_util::FutureExt::now_or_never(book.asked()), Some(()));
}

#[test]
fn debug_shows_no_bytes() {
    let mut events = events();
    events.push(b"data: secret").unwrap();
    assert!(!format!("{events:?}").contains("secret") && !format!("{events:?}").contains("115"));
}

/// Cuts `stream` at `cuts`, wherever they fall.
fn pieces<'a>(stream: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    cuts.extend([0, stream.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

/// Lines of all kinds, and their ends.
fn stream(data: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => prop::sample::select(data).prop_map(|data| [b"data: ", data.as_bytes()].concat()),
        1 => prop::sample::select(data).prop_map(|data| [b"data:", data.as_bytes()].concat()),
        2 => Just(Vec::new()),
        1 => Just(b": comment".to_vec()),
        1 => Just(b"id: 1".to_vec()),
        1 => Just(b"\xef\xbb\xbf".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    let end = prop::sample::select(vec!["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n"]);
    let lines = prop::collection::vec((line, end), 0..8);
    (any::<bool>(), lines, any::<bool>()).prop_map(|(bom, lines, is_ended)| {
        let mut stream = if bom { BOM.to_vec() } else { Vec::new() };
        for (line, end) in lines {
            stream.extend([line.as_slice(), end.as_bytes()].concat());
        }
        if !is_ended {
            stream.pop();
        }
        stream
    })
}

/// What a reader makes of a stream: the data of each event, the unended one too.
fn read(stream: &[u8]) -> Vec<String> {
    let text =
        String::from_utf8_lossy(stream.strip_prefix(BOM).unwrap_or(stream)).replace("\r\n", "\n").replace('\r', "\n");
    let mut events = Vec::new();
    for event in text.split("\n\n") {
        let values = event.split('\n').filter_map(|line| match line.strip_prefix("data")? {
            "" => Some(""),
            rest => rest.strip_prefix(':').map(|value| value.strip_prefix(' ').unwrap_or(value)),
        });
        let values: Vec<&str> = values.collect();
        if !values.is_empty() {
            events.push(values.join("\n"));
        }
    }
    events
}

#[test]
fn an_event_keeps_its_end_whatever_the_ends_of_its_lines() {
    for stream in [
        &b"data: {\"result\":{\"tools\":\rdata: [{\"name\":\"w\"}]}}\n\ndata: x\n\n"[..],
        b"data: {\"result\":{\"tools\":\nid: 1\rdata: [{\"name\":\"w\"}]}}\n\ndata: x\n\n",
    ] {
        let out = through(&[stream]).unwrap();
        assert_eq!(read(&out).len(), 2, "{}", String::from_utf8_lossy(&out));
    }
}

proptest! {
    #[test]
    fn chunking_does_not_matter(
        stream in stream(&[BOTH, CUT, "x", "{", "{\"result\":{\"tools\":[", "{\"name\":\"w\"}", "]}}"]),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let at_once = through(&[&stream]);
        prop_assert_eq!(&through(&pieces(&stream, &cuts)), &at_once);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&through(&bytes), &at_once);
    }

    #[test]
    fn streams_without_hidden_tools_are_the_same_bytes(
        stream in stream(&[CUT, "x", "/messages", "[DONE]", "1", ""]),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        // Two of them after each other in one event are no JSON.
        prop_assume!(through(&[&stream]) != Err(Withheld::Unreadable));
        prop_assert_eq!(through(&pieces(&stream, &cuts)), Ok(stream));
    }

    /// A reader gets the same events, each without its hidden tools.
    #[test]
    fn readers_see_the_same_events(stream in stream(&[BOTH, CUT, "x", "{\"result\":{\"tools\":", "[{\"name\":\"w\"}]}}"])) {
        if let Ok(out) = through(&[&stream]) {
            let cut = |data: String| list::cut(&data, |tool| tool.name == "r").ok().and_then(|seen| seen.cut).unwrap_or(data);
            let expected: Vec<String> = read(&stream).into_iter().map(cut).collect();
            prop_assert_eq!(read(&out), expected);
        }
    }
}
