use http::HeaderName;
use http::uri::{Authority, PathAndQuery, Scheme};

use super::*;
use crate::permissions::Tool;

const LISTED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read_a","annotations":{"readOnlyHint":true}},{"name":"read_b"},{"name":"write_a"}]}}"#;

fn permissions(tools: Option<&str>, read_only: bool) -> Arc<Permissions> {
    Arc::new(Permissions { tools: tools.map(|tools| tools.parse().unwrap()), read_only })
}

fn guard(tools: Option<&str>, read_only: bool) -> Guard {
    Guard::new(permissions(tools, read_only), &Arc::default(), &Room::default())
}

fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        fields.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    fields
}

fn head(method: Method, has_body: bool, lines: &[(&str, &str)]) -> RequestHead {
    RequestHead {
        method,
        scheme: Scheme::HTTPS,
        has_body,
        authority: Authority::from_static("cool.relay.test"),
        path: PathAndQuery::from_static("/messages?s=1"),
        client: None,
        token: String::new(),
        upgrade: None,
        fields: fields(lines),
    }
}

fn call(tool: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// Sends one POST through; the code of its refusal, or its messages.
fn post_with(guard: &mut Guard, lines: &[(&str, &str)], body: &str) -> Result<Messages, (u16, &'static str)> {
    let mut head = head(Method::POST, true, lines);
    let refused = |refusal: Refusal| (refusal.status().as_u16(), refusal.code());
    let Need::Body { mut buffer, .. } = guard.head(&mut head).map_err(refused)? else { panic!("it has a body") };
    for piece in body.as_bytes().chunks(7) {
        buffer.push(piece).unwrap();
    }
    Ok(guard.body(&head.fields, &buffer.finish()).map_err(refused)?.unwrap())
}

fn post(guard: &mut Guard, body: &str) -> Result<Messages, (u16, &'static str)> {
    post_with(guard, &[("content-type", "application/json")], body)
}

const FORBIDDEN: (u16, &str) = (403, "insufficient_scope");

/// Of a token that may do everything, only what its fields say is compared with short bodies.
#[test]
fn tokens_that_may_do_everything_are_held_to_what_they_say() {
    let mut guard = guard(None, false);
    let name = ("mcp-name", "x");
    for (lines, is_held) in [
        (&[("content-length", "99"), name][..], true),
        (&[("content-length", "99"), ("mcp_method", "ping")], true),
        (&[("content-length", "99")], false),
        (&[("content-length", "99"), name, ("expect", "100-continue")], false),
        (&[("content-length", "99"), name, ("trailer", "x")], false),
        (&[("content-length", "16385"), name], false),
        (&[name], false),
    ] {
        let mut head = head(Method::POST, true, lines);
        let before = head.clone();
        assert_eq!(matches!(guard.head(&mut head).unwrap(), Need::Body { .. }), is_held, "{lines:?}");
        assert_eq!(head, before);
        let mut answered = fields(&[("content-type", "application/json"), ("content-encoding", "gzip")]);
        assert!(matches!(guard.answer(StatusCode::OK, &mut answered), Ok(Answer::Untouched)));
    }
    for (body, agrees) in [
        (call("x"), true),
        (call("y"), false),
        (LIST.to_owned(), false),
        (format!("[{}]", call("x")), false),
        ("no JSON".to_owned(), true),
        (format!("{}{}", call("y"), call("y")), true),
        (String::new(), true),
    ] {
        let outcome = guard.body(&fields(&[name]), body.as_bytes());
        assert_eq!(outcome.is_ok(), agrees, "{body}");
        assert!(agrees || outcome.unwrap_err().code() == "header_mismatch");
    }
}

#[test]
fn only_allowed_tools_are_called() {
    let mut guard = guard(Some("read_*"), false);
    assert_eq!(post(&mut guard, &call("read_a")).unwrap().list[0].tool(), Some("read_a"));
    assert_eq!(post(&mut guard, &call("write_a")).unwrap_err(), FORBIDDEN);
    assert_eq!(post(&mut guard, &call("Read_a")).unwrap_err(), FORBIDDEN);
    assert_eq!(post(&mut guard, &call(r"\u0077rite_a")).unwrap_err(), FORBIDDEN);
    assert!(post(&mut guard, &call(r"\u0072ead_a")).is_ok());
    assert!(post(&mut guard, LIST).is_ok());
}

#[test]
fn one_forbidden_call_refuses_the_batch() {
    let mut guard = guard(Some("read_*"), false);
    assert!(post(&mut guard, &format!("[{LIST},{}]", call("read_a"))).is_ok());
    for batch in [
        format!("[{LIST},{},{}]", call("read_a"), call("write_a")),
        format!("[{},{}]", call("write_a"), call("read_a")),
    ] {
        assert_eq!(post(&mut guard, &batch).unwrap_err(), FORBIDDEN);
    }
}

#[test]
fn read_only_needs_a_list_that_says_so() {
    let book = Arc::new(ToolBook::default());
    let mut guard = Guard::new(permissions(Some("read_*"), true), &book, &Room::default());
    let words = |guard: &mut Guard, body: &str| {
        let refusal = guard.body(&fields(&[("content-type", "application/json")]), body.as_bytes()).unwrap_err();
        String::from_utf8(refusal.into_response().into_body().to_vec()).unwrap()
    };
    assert!(words(&mut guard, &call("read_a")).contains("in a few seconds"));
    book.replace(&[
        Tool { name: "read_a".to_owned(), read_only: true },
        Tool { name: "read_b".to_owned(), read_only: false },
        Tool { name: "write_a".to_owned(), read_only: true },
    ]);
    assert!(post(&mut guard, &call("read_a")).is_ok());
    assert!(words(&mut guard, &call("read_b")).contains("not marked"));
    assert!(words(&mut guard, &call("write_a")).contains("may not call"));
    assert!(words(&mut guard, &format!("[{},{}]", call("read_a"), call("read_c"))).contains("in a few seconds"));
}

#[test]
fn what_cannot_be_read_is_refused() {
    let mut guard = guard(Some("*"), false);
    let json = ("content-type", "application/json");
    for (lines, body, expected) in [
        (&[json][..], "{", (400, "unreadable_request")),
        (&[json], "", (400, "unreadable_request")),
        (&[json, ("content-encoding", "gzip")], LIST, (415, "unreadable_request")),
        (&[json, ("content-encoding", "identity")], LIST, (415, "unreadable_request")),
        (&[], LIST, (415, "unreadable_request")),
        (&[json, json], LIST, (415, "unreadable_request")),
        (&[json, ("content-length", "16777217")], LIST, (413, "body_too_large")),
        (&[json, ("mcp-method", "ping")], LIST, (400, "header_mismatch")),
        (&[json, ("mcp-name", "y")], &call("x"), (400, "header_mismatch")),
    ] {
        assert_eq!(post_with(&mut guard, lines, body).unwrap_err(), expected, "{lines:?} {body}");
    }
    for (media_type, is_taken) in [
        ("application/json", true),
        ("Application/JSON ; charset=UTF-8", true),
        ("application/json;charset=\"utf-8\"", true),
        ("application/json;", true),
        ("application/json; charset=utf-16le", false),
        ("application/json; charset=utf-7", false),
        ("application/json; charset=utf-8; charset=utf-16le", false),
        ("application/json; x=y", false),
        ("application/json, text/plain", false),
        ("text/plain", false),
        ("application/x-www-form-urlencoded", false),
        ("multipart/form-data; boundary=x", false),
        ("", false),
    ] {
        let outcome = post_with(&mut guard, &[("content-type", media_type)], LIST);
        assert_eq!(outcome.is_ok(), is_taken, "{media_type:?}");
    }
}

#[test]
fn requests_without_a_body_pass_where_that_means_something() {
    let mut guard = guard(Some("x"), false);
    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS] {
        assert!(matches!(guard.head(&mut head(method.clone(), false, &[])), Ok(Need::Nothing)));
        // Over HTTP/2 the end of a body may come after the head.
        assert!(matches!(guard.head(&mut head(method.clone(), true, &[])), Ok(Need::Body { .. })));
        assert_eq!(guard.body(&HeaderMap::new(), b"").unwrap(), None);
        let outcome = guard.body(&fields(&[("content-type", "application/json")]), call("y").as_bytes());
        assert_eq!(outcome.unwrap_err().code(), "insufficient_scope", "{method}");
    }
    for name in ["mcp-method", "mcp-name", "mcp_method"] {
        for method in [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS] {
            let lines = [(name, "tools/list")];
            assert_eq!(guard.head(&mut head(method, false, &lines)).unwrap_err().code(), "header_mismatch");
            assert_eq!(guard.body(&fields(&lines), b"").unwrap_err().code(), "header_mismatch");
        }
    }
    for method in [Method::POST, Method::PUT, Method::PATCH] {
        assert_eq!(guard.head(&mut head(method, false, &[])).unwrap_err().code(), "unreadable_request");
    }
    let mut upgrade = head(Method::GET, true, &[]);
    upgrade.upgrade = Some(HeaderValue::from_static("websocket"));
    assert_eq!(guard.head(&mut upgrade).unwrap_err().status(), StatusCode::FORBIDDEN);
}

#[test]
fn answers_are_asked_for_as_they_can_be_read() {
    let mut guard = guard(Some("x"), false);
    let lines =
        [("accept-encoding", "gzip"), ("accept-encoding", "br"), ("range", "bytes=0-9"), ("expect", "100-continue")];
    let mut head = head(Method::POST, true, &lines);
    assert!(matches!(guard.head(&mut head), Ok(Need::Body { expects_continue: true, .. })));
    assert_eq!(head.fields, fields(&[("accept-encoding", "identity")]));
}

/// Sends `body` back as the answer to what was asked last; fields and body that the caller gets.
fn answer(guard: &Guard, lines: &[(&str, &str)], body: &str) -> Result<(HeaderMap, String), Withheld> {
    let mut fields = fields(lines);
    let mut pieces = body.as_bytes().chunks(5);
    let body = match guard.answer(StatusCode::OK, &mut fields)? {
        Answer::Untouched => body.as_bytes().to_vec(),
        Answer::Whole(mut whole) => {
            pieces.try_for_each(|piece| whole.push(piece))?;
            whole.finish(&mut fields)?.to_vec()
        }
        Answer::Events(mut events) => {
            let mut out = Vec::new();
            for piece in pieces {
                out.extend_from_slice(&events.push(piece)?);
            }
            out.extend_from_slice(&events.finish()?);
            out
        }
    };
    Ok((fields, String::from_utf8(body).unwrap()))
}

#[test]
fn lists_show_what_may_be_called() {
    let book = Arc::new(ToolBook::default());
    let names = |body: &str| ["read_a", "read_b", "write_a"].map(|name| body.contains(name));
    for (tools, read_only, shown) in [
        (Some("read_*"), false, [true, true, false]),
        (None, true, [true, false, false]),
        (Some("x"), true, [false; 3]),
    ] {
        let mut guard = Guard::new(permissions(tools, read_only), &book, &Room::default());
        post(&mut guard, LIST).unwrap();
        let len = LISTED.len().to_string();
        let json = [("content-type", "application/json"), ("content-length", &len), ("etag", "\"x\""), ("x", "y")];
        let (fields, body) = answer(&guard, &json, LISTED).unwrap();
        assert_eq!(names(&body), shown, "{body}");
        assert_eq!(fields[header::CONTENT_LENGTH], body.len().to_string().as_str());
        assert!(!fields.contains_key("etag") && fields.contains_key("x"));

        let stream = [("content-type", "text/event-stream"), ("content-length", "7")];
        let (fields, body) = answer(&guard, &stream, &format!("event: message\ndata: {LISTED}\n\n")).unwrap();
        assert_eq!(names(&body), shown, "{body}");
        assert!(!fields.contains_key("content-length"));
    }
}

#[test]
fn answers_without_hidden_tools_are_untouched() {
    let mut guard = guard(Some("read_*"), false);
    post(&mut guard, &call("read_a")).unwrap();
    for (media_type, body) in [
        ("application/json", r#"{ "jsonrpc":"2.0","id":1,"result":{"content":[]} }"#),
        ("application/json", "Not Found"),
        ("application/json", ""),
        ("text/html", LISTED),
    ] {
        let len = body.len().to_string();
        let lines = [("content-type", media_type), ("content-length", &len), ("etag", "\"x\"")];
        assert_eq!(answer(&guard, &lines, body), Ok((fields(&lines), body.to_owned())));
    }
}

#[test]
fn answers_that_cannot_be_read_are_withheld() {
    let mut guard = guard(Some("read_*"), false);
    post(&mut guard, LIST).unwrap();
    let json = ("content-type", "application/json");
    let too_large = Withheld::Full(TooLarge { limit: MAX_ANSWER }.into());
    for (lines, body, expected) in [
        (&[json, ("content-encoding", "gzip")][..], "", Withheld::Encoded),
        (&[("content-type", "text/event-stream"), ("content-encoding", "br")], "", Withheld::Encoded),
        (&[json, ("transfer-encoding", "gzip, chunked")], "", Withheld::Encoded),
        (&[json, ("content-range", "bytes 0-9/100")], "{", Withheld::Encoded),
        (&[json, json], LISTED, Withheld::Unreadable),
        (&[json, ("content-length", "16777217")], LISTED, too_large),
        (&[json], &LISTED[..LISTED.len() - 1], Withheld::Unreadable),
        (&[json], "{\"a\":NaN}", Withheld::Unreadable),
        (&[json], "\0{\0}", Withheld::Unreadable),
        (&[("content-type", "text/event-stream")], "data: {\n\n", Withheld::Unreadable),
    ] {
        assert_eq!(answer(&guard, lines, body), Err(expected), "{lines:?} {body}");
    }
    let Ok(Answer::Whole(mut whole)) = guard.answer(StatusCode::OK, &mut fields(&[json])) else { panic!("it is JSON") };
    let piece = vec![b' '; 1 << 20];
    let refusal = (0..=MAX_ANSWER >> 20).find_map(|_| whole.push(&piece).err()).map(Refusal::from).unwrap();
    assert_eq!((refusal.status(), refusal.code()), (StatusCode::BAD_GATEWAY, "answer_withheld"));
}

#[test]
fn odd_media_types_and_marks_hide_nothing() {
    let mut guard = guard(Some("read_*"), false);
    post(&mut guard, LIST).unwrap();
    let marked = format!("\u{feff}{LISTED}");
    for (lines, body) in [
        (&[][..], LISTED),
        (&[("content-type", "Application/Vnd.X+JSON")], LISTED),
        (&[("content-type", "x/y; application/json")], LISTED),
        (&[("content-type", "application/json")], &marked),
        (&[("content-type", "TEXT/EVENT-STREAM; charset=x")], &format!("data: {LISTED}\n\n")),
    ] {
        let (_, body) = answer(&guard, lines, body).unwrap();
        assert!(body.contains("read_a") && !body.contains("write_a"), "{lines:?} {body}");
    }
}

#[test]
fn answers_without_a_body_keep_their_fields() {
    let mut guard = guard(Some("read_*"), false);
    let lines = [("content-type", "application/json"), ("content-length", "99999999"), ("content-encoding", "gzip")];
    guard.head(&mut head(Method::HEAD, false, &[])).unwrap();
    assert!(matches!(guard.answer(StatusCode::OK, &mut fields(&lines)), Ok(Answer::Untouched)));
    guard.head(&mut head(Method::GET, false, &[])).unwrap();
    assert!(matches!(guard.answer(StatusCode::NOT_MODIFIED, &mut fields(&lines)), Ok(Answer::Untouched)));
}

/// A server that repeats what it is sent must not vouch for tools, whatever was asked for beside it.
#[test]
fn no_answer_is_noted() {
    let json = [("content-type", "application/json")];
    let stream = [("content-type", "text/event-stream")];
    let event = format!("data: {LISTED}\n\n");
    let book = Arc::new(ToolBook::default());
    let mut guard = Guard::new(permissions(None, true), &book, &Room::default());
    let both = format!("[{LIST},{LISTED}]");
    for body in [LISTED, LIST, &both] {
        post(&mut guard, body).unwrap();
        answer(&guard, &json, body).unwrap();
        answer(&guard, &json, LISTED).unwrap();
        answer(&guard, &stream, &event).unwrap();
    }
    guard.head(&mut head(Method::GET, false, &[])).unwrap();
    answer(&guard, &json, LISTED).unwrap();
    answer(&guard, &stream, &event).unwrap();
    assert!(book.names().is_empty());
    assert_eq!(post(&mut guard, &call("read_a")).unwrap_err(), FORBIDDEN);
}
