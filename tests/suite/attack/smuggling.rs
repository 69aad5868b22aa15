//! Request smuggling: the table of `framing_cases`, each case said to the edge in clear and over TLS, and what the local
//! server saw of it.
//!
//! Whatever the bytes are, the local server sees only requests that the edge has read, and let in, as requests of their
//! own. Each case has a second request hidden in it with a token that is good, so that it *would* be let in by an edge
//! that takes it for a request.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use gantz_tests::client::{self, Io};
use gantz_tests::{Origin, World, relay, within};
use http::HeaderMap;
use http_body_util::BodyExt;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::framing_cases::{After, CASES, Case};

/// In place of a length: as long as the request that is hidden in the case.
pub(crate) const SMUGGLED: usize = usize::MAX;

/// A request as the local server saw it.
#[derive(Debug, Clone)]
struct Record {
    method: String,
    path: String,
    fields: HeaderMap,
    /// Length and trailers of the body, once it was there to its end.
    body: Option<(usize, HeaderMap)>,
}

type Records = Arc<Mutex<Vec<Record>>>;

/// A local server that writes down every request, and answers when the body is whole.
fn recording(records: &Records) -> Origin {
    let records = records.clone();
    Origin::axum(Router::new().fallback(move |request: Request| {
        let records = records.clone();
        async move {
            let (head, body) = request.into_parts();
            let at = {
                let mut records = records.lock().unwrap();
                let (method, path) = (head.method.to_string(), head.uri.to_string());
                records.push(Record { method, path, fields: head.headers, body: None });
                records.len() - 1
            };
            if let Ok(body) = body.collect().await {
                let trailers = body.trailers().cloned().unwrap_or_default();
                records.lock().unwrap()[at].body = Some((body.to_bytes().len(), trailers));
            }
            "seen"
        }
    }))
}

/// How the bytes of a case get to the edge.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pace {
    /// All at once, as an attacker would.
    Whole,
    /// Byte by byte, so that each state of the edge's parser is left and entered again.
    Dribble,
}

async fn connect(world: &World) -> Pin<Box<dyn Io>> {
    let tcp = TcpStream::connect(world.relay.edge_addr()).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    if world.url.starts_with("http://") {
        return Box::pin(tcp);
    }
    let tls = TlsConnector::from(Arc::new(client::tls(&world.relay, &[b"http/1.1"])));
    Box::pin(tls.connect(ServerName::try_from(world.host.clone()).unwrap(), tcp).await.unwrap())
}

fn replace(text: &[u8], name: &str, value: &[u8]) -> Vec<u8> {
    let (mut rest, mut replaced) = (text, Vec::with_capacity(text.len()));
    while let Some(at) = rest.windows(name.len()).position(|window| window == name.as_bytes()) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(value);
        rest = &rest[at + name.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

/// The request that is hidden in a case: with a token, and so good enough to be let in.
fn smuggled(world: &World, number: usize) -> String {
    let World { host, token, .. } = world;
    format!("GET /smuggled-{number} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n")
}

/// The bytes of a case, with what only a running world knows.
fn bytes(world: &World, case: &Case, number: usize) -> Vec<u8> {
    let host = format!("Host: {}\r\n", world.host);
    let auth = format!("{host}Authorization: Bearer {}\r\n", world.token);
    let smuggled = smuggled(world, number);
    let length = smuggled.len();
    let filled = [
        ("$SMUGGLED", smuggled),
        ("$HEXLEN", format!("{length:x}")),
        ("$LEN", length.to_string()),
        ("$LONG", "x".repeat(17 << 10)),
        ("$THIRD", "x".repeat(6 << 10)),
        ("$AUTH\r\n", auth),
        ("$HOST\r\n", host),
        ("$TOKEN", world.token.clone()),
        ("$NAME", world.host.clone()),
        ("$N", number.to_string()),
    ];
    filled.iter().fold(case.bytes.to_vec(), |bytes, (name, value)| replace(&bytes, name, value.as_bytes()))
}

/// The status codes of all that was answered. No body of an answer has a number behind a version.
fn statuses(answers: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answers);
    text.split("HTTP/1.").skip(1).filter_map(|answer| answer.get(2..5)?.parse().ok()).collect()
}

/// Says a case, and then one more request that is all right and ends the connection; gives everything that came back.
async fn say(world: &World, case: &Case, number: usize, pace: Pace) -> Vec<u16> {
    let mut said = bytes(world, case, number);
    if case.after != After::CallerLeaves {
        let (host, token) = (&world.host, &world.token);
        let after = format!(
            "GET /after-{number} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        said.extend_from_slice(after.as_bytes());
    }
    let mut io = connect(world).await;
    let step = if pace == Pace::Whole { said.len() } else { 1 };
    for piece in said.chunks(step) {
        // An edge that has closed by now is seen when reading.
        if io.write_all(piece).await.is_err() || io.flush().await.is_err() {
            break;
        }
    }
    if case.after == After::CallerLeaves {
        let _ = io.shutdown().await;
    }
    let mut answers = Vec::new();
    while within(case.name, io.read_buf(&mut answers)).await.unwrap_or(0) > 0 {}
    statuses(&answers)
}

/// Where two parsers could differ on a field that has come behind the body, it does not get through.
const NEVER_TRAILERS: [&str; 6] = ["content-length", "transfer-encoding", "host", "authorization", "te", "connection"];

/// What is different from what the case says, in words.
fn differences(case: &Case, answered: &[u16], seen: &[Record], number: usize, hidden: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expected_answers = case.answers.to_vec();
    let real = |length| if length == SMUGGLED { hidden } else { length };
    let mut expected: Vec<_> =
        case.saw.iter().map(|&(method, path, length)| (method, path.to_owned(), real(length))).collect();
    let goes_on = case.after == After::Either && answered.len() > case.answers.len();
    if case.after == After::Open || goes_on {
        expected_answers.push(200);
        expected.push(("GET", "/after".to_owned(), 0));
    }
    if answered != expected_answers {
        wrong.push(format!("answered {answered:?} and not {expected_answers:?}"));
    }
    let marker = format!("-{number}");
    let of = |record: &&Record| record.path.split('?').next().is_some_and(|path| path.ends_with(&marker));
    let seen: Vec<_> = seen.iter().filter(of).collect();
    let whole: Vec<_> = seen
        .iter()
        .filter_map(|record| Some((record.method.as_str(), record.path.replace(&marker, ""), record.body.as_ref()?.0)))
        .collect();
    if whole != expected {
        wrong.push(format!("the local server saw {whole:?} and not {expected:?}"));
    }
    for record in seen {
        // The head of a request whose body turned out to be broken may have left before.
        if record.body.is_none() && !(case.is_broken_body && record.path == format!("/case{marker}")) {
            wrong.push(format!("the local server saw the head of {} {}", record.method, record.path));
        }
        if record.fields.contains_key("upgrade") || record.fields.contains_key("http2-settings") {
            wrong.push(format!("an upgrade was asked for: {:?}", record.fields));
        }
        if let Some((_, trailers)) = &record.body
            && let Some(name) = NEVER_TRAILERS.iter().find(|name| trailers.contains_key(**name))
        {
            wrong.push(format!("{name} came as a trailer"));
        }
    }
    wrong
}

async fn table(world: &World, records: &Records, pace: Pace) {
    let mut answered = Vec::new();
    for (number, case) in CASES.iter().enumerate() {
        answered.push(say(world, case, number, pace).await);
    }
    // After all of them: what came late would be seen as well.
    let seen = records.lock().unwrap().clone();
    let mut failed = String::new();
    for (number, (case, answered)) in CASES.iter().zip(&answered).enumerate() {
        for difference in differences(case, answered, &seen, number, smuggled(world, number).len()) {
            failed.push_str(&format!("{}: {difference}\n", case.name));
        }
    }
    // Nothing was seen that belongs to no case, under whatever path.
    for record in &seen {
        let number = record.path.split('?').next().and_then(|path| path.rsplit_once('-')).map(|(_, number)| number);
        if number.is_none_or(|number| number.parse::<usize>().is_err()) {
            failed.push_str(&format!("the local server saw {record:?}\n"));
        }
    }
    assert!(failed.is_empty(), "\n{failed}");
    assert!(CASES.len() >= 60);
}

#[tokio::test]
async fn the_local_server_sees_what_the_edge_has_let_in_and_nothing_else_over_tls() {
    let records = Records::default();
    let world = relay().server(recording(&records)).start().await;
    table(&world, &records, Pace::Whole).await;
}

#[tokio::test]
async fn the_local_server_sees_what_the_edge_has_let_in_and_nothing_else_in_clear() {
    let records = Records::default();
    let world = relay().plain().server(recording(&records)).start().await;
    table(&world, &records, Pace::Whole).await;
}

#[tokio::test]
async fn the_local_server_sees_what_the_edge_has_let_in_and_nothing_else_byte_by_byte() {
    let records = Records::default();
    let world = relay().plain().server(recording(&records)).start().await;
    table(&world, &records, Pace::Dribble).await;
}

/// Says a request over HTTP/2 with these lengths; its status, unless its stream is reset.
async fn with_lengths(world: &World, lengths: &[&str], body: &'static [u8]) -> Option<u16> {
    let tcp = TcpStream::connect(world.relay.edge_addr()).await.unwrap();
    let tls = TlsConnector::from(Arc::new(client::tls(&world.relay, &[b"h2"])));
    let io = tls.connect(ServerName::try_from(world.host.clone()).unwrap(), tcp).await.unwrap();
    let (send, connection) = h2::client::handshake(io).await.unwrap();
    // The request itself tells how the connection ends.
    let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
    let mut send = within("room for a stream", send.ready()).await.unwrap();
    let mut request = http::Request::post(format!("{}/case", world.url)).body(()).unwrap();
    request.headers_mut().insert("x-api-key", world.token.parse().unwrap());
    for length in lengths {
        request.headers_mut().append("content-length", length.parse().unwrap());
    }
    let (answer, mut sending) = send.send_request(request, false).unwrap();
    // It may be reset by now, which the answer tells.
    let _ = sending.send_data(body.into(), true);
    within("an answer", answer).await.ok().map(|answer| answer.status().as_u16())
}

/// Two lengths would be two lines of HTTP/1.1 to the local server, whatever they say.
#[tokio::test]
async fn over_http2_too_a_request_has_one_length_at_most() {
    let records = Records::default();
    let world = relay().server(recording(&records)).start().await;
    for lengths in [&["2", "2"][..], &["2", "3"], &["3", "2"], &["2", "2", "2"], &["2, 2"], &["+2"], &["2", ""]] {
        let answered = with_lengths(&world, lengths, b"{}").await;
        assert!(matches!(answered, None | Some(400)), "{lengths:?}: {answered:?}");
    }
    assert!(records.lock().unwrap().is_empty(), "{records:?}");
    assert_eq!(with_lengths(&world, &["2"], b"{}").await, Some(200));
    assert_eq!(with_lengths(&world, &[], b"{}").await, Some(200));
    assert_eq!(records.lock().unwrap().len(), 2);
}

/// A local server that says its length twice is not passed on.
#[tokio::test]
async fn an_answer_has_one_length_at_most() {
    let server = Origin::raw(|mut stream| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap_or(0) > 0 {}
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}";
        // The agent may have gone.
        let _ = stream.write_all(answer).await;
    });
    let world = relay().server(server).start().await;
    for client in [world.client(), world.http1()] {
        let call = client.get(&world.url).bearer_auth(&world.token);
        let answer = within("an answer", call.send()).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["gantz-error"]),
            (502, &"upstream_invalid".parse().unwrap())
        );
    }
}
