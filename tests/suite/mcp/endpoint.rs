//! The `endpoint` event of HTTP+SSE, from the server to the caller.

use futures_util::StreamExt;
use gantz_tests::{World, relay, within};

use super::scripted::{Calls, chunked, scripted};

/// Opens an event stream that the server begins with `event`, and gives what comes of it.
async fn first_event(world: &World, calls: &mut Calls, method: http::Method, fields: &str, event: &str) -> String {
    let serve = async {
        let (mut call, head) = calls.request().await;
        call.say(chunked(fields)).await;
        call.chunk(event).await;
        (call, head)
    };
    let request = world.client().request(method, format!("{}/sse", world.url)).bearer_auth(&world.token);
    let (answer, (mut call, _)) = tokio::join!(within("the head", request.send()), serve);
    let mut body = answer.unwrap().bytes_stream();
    // The event arrives while the stream is open.
    let first = within("the event", body.next()).await.unwrap().unwrap();
    call.end().await;
    let mut text = String::from_utf8(first.into()).unwrap();
    while let Some(piece) = within("the end", body.next()).await {
        text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
    }
    text
}

const EVENTS: &str = "content-type: text/event-stream; charset=utf-8\r\n";

#[tokio::test]
async fn an_absolute_local_url_becomes_one_of_the_public_origin() {
    let (server, mut calls) = scripted();
    let world = relay().server(server).start().await;
    let port = world.server.address().port();
    for host in ["127.0.0.1", "localhost", "0.0.0.0", "[::1]"] {
        for end in ["\n", "\r\n"] {
            let event = |url: &str| format!("event: endpoint{end}data: {url}{end}{end}");
            let local = event(&format!("http://{host}:{port}/messages/?session_id=a%2Fb"));
            let public = event(&format!("{}/messages/?session_id=a%2Fb", world.url));
            assert_eq!(first_event(&world, &mut calls, http::Method::GET, EVENTS, &local).await, public);
        }
    }
}

#[tokio::test]
async fn a_plain_edge_gets_its_own_origin() {
    let (server, mut calls) = scripted();
    let world = relay().plain().server(server).start().await;
    let mut caller = gantz_tests::Raw::plain(world.relay.edge_addr()).await;
    // The origin is the one that this caller used.
    let World { host, token, .. } = &world;
    caller.send(format!("GET /sse HTTP/1.1\r\nhost: {host}:8080\r\nauthorization: Bearer {token}\r\n\r\n")).await;
    let (mut call, _) = calls.request().await;
    call.say(chunked(EVENTS)).await;
    call.chunk(format!("event: endpoint\ndata: http://{}/m\n\n", world.server.address())).await;
    // Comments keep the stream alive, so only a deadline of its own ends the wait for an event that does not come.
    within("the event", caller.until(&format!("data: http://{host}:8080/m\n\n"))).await;
}

#[tokio::test]
async fn everything_else_is_left_alone() {
    let (server, mut calls) = scripted();
    let world = relay().server(server).start().await;
    let local = format!("http://{}", world.server.address());
    for (method, fields, event) in [
        (http::Method::GET, EVENTS, "event: endpoint\ndata: /messages?s=1\n\n".to_owned()),
        (http::Method::GET, EVENTS, "event: endpoint\ndata:messages?s=1\r\n\r\n".to_owned()),
        (http::Method::GET, EVENTS, "event: endpoint\ndata: https://elsewhere.example/m\n\n".to_owned()),
        (http::Method::GET, EVENTS, "event: endpoint\ndata: http://127.0.0.1:1/m\n\n".to_owned()),
        (http::Method::GET, EVENTS, format!("event: message\ndata: {local}/m\n\n")),
        (http::Method::GET, EVENTS, format!("data: {local}/m\n\n")),
        (http::Method::GET, "content-type: text/plain\r\n", format!("event: endpoint\ndata: {local}/m\n\n")),
        (http::Method::GET, "", format!("event: endpoint\ndata: {local}/m\n\n")),
        (http::Method::POST, EVENTS, format!("event: endpoint\ndata: {local}/m\n\n")),
        (
            http::Method::GET,
            "content-type: text/event-stream\r\ncontent-encoding: identity-ish\r\n",
            format!("event: endpoint\ndata: {local}/m\n\n"),
        ),
    ] {
        assert_eq!(first_event(&world, &mut calls, method, fields, &event).await, event);
    }
}

#[tokio::test]
async fn nothing_is_held_back_that_cannot_be_an_endpoint() {
    let (server, mut calls) = scripted();
    let world = relay().server(server).start().await;
    let serve = async {
        let (mut call, _) = calls.request().await;
        call.say(chunked(EVENTS)).await;
        call
    };
    let request = world.client().get(&world.url).bearer_auth(&world.token);
    let (answer, mut call) = tokio::join!(request.send(), serve);
    let mut body = answer.unwrap().bytes_stream();
    for piece in [": hello\n", "\n", "event: message\n", "data: {\"half\":", "1}\n", "\n"] {
        call.chunk(piece).await;
        assert_eq!(within(piece, body.next()).await.unwrap().unwrap(), piece);
    }
}
