//! Whoever gets on is not cut off, however slowly: callers that read little by little, and answers that stream while
//! their request's body rests. And whoever has gone is gone, whatever was left unread.

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use gantz_relay::config::{MAX_UNREAD, UNREAD_PATIENCE};
use gantz_tests::{Origin, World, relay, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::scripted::{chunked, scripted};

/// Much more than lies on the way.
const BIG: usize = 256 << 20;

fn head(world: &World, method: &str, path: &str, rest: &str) -> String {
    let World { host, token, .. } = world;
    format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n{rest}\r\n")
}

/// A caller whose system takes little at once.
async fn narrow(world: &World) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.connect(world.relay.edge_addr()).await.unwrap()
}

/// More callers than may leave their answers unread, each of which reads 100 KB a second.
#[tokio::test]
async fn slow_callers_are_not_cut_off_however_many_they_are() {
    let server = Origin::axum(Router::new().route("/big", get(|| async { vec![b'x'; BIG] })));
    let world = relay().plain().server(server).start().await;
    let mut callers = JoinSet::new();
    for _ in 0..MAX_UNREAD + 8 {
        let mut caller = narrow(&world).await;
        caller.write_all(head(&world, "GET", "/big", "").as_bytes()).await.unwrap();
        callers.spawn(async move {
            let (begun, mut piece) = (Instant::now(), vec![0; 10_000]);
            while begun.elapsed() < UNREAD_PATIENCE * 2 {
                within("ten kilobytes", caller.read_exact(&mut piece)).await.expect("it is not cut off");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    while let Some(read) = callers.join_next().await {
        read.unwrap();
    }
}

/// The server answers and needs no body, and the caller, who waits for a 100, sends none (RFC 9110 §10.1.1).
#[tokio::test]
async fn an_answer_streams_on_while_its_requests_body_rests() {
    let deadline = Duration::from_secs(1);
    let (server, mut calls) = scripted();
    let world = relay().server(server).relay_config(|config| config.limits.deadlines.body = deadline).start().await;
    for rest in ["content-length: 5\r\nexpect: 100-continue\r\n", "transfer-encoding: chunked\r\n"] {
        let mut caller = world.raw().await;
        caller.send(head(&world, "POST", "/mcp", rest)).await;
        let (mut call, _) = calls.request().await;
        call.say(chunked("content-type: text/event-stream\r\n")).await;
        for event in 0..6 {
            call.chunk(&format!("data: {event}\n\n")).await;
            caller.until(&format!("data: {event}\n\n")).await;
            tokio::time::sleep(deadline / 2).await;
        }
    }
}

/// What is sent behind a request is held until that is answered, as far as there is room; that the caller goes away is
/// seen all the same.
#[tokio::test]
async fn a_caller_that_has_sent_more_than_is_read_can_hang_up() {
    let (server, mut calls) = scripted();
    let world = relay().server(server).start().await;
    for more in [0, 60_000, 70_000, 300_000] {
        let mut caller = world.raw().await;
        caller.send(head(&world, "GET", "/mcp", "")).await;
        let (mut call, _) = calls.request().await;
        // A next request, with its body.
        caller.send(head(&world, "POST", "/mcp", "content-length: 1000000\r\n")).await;
        tokio::time::timeout(Duration::from_millis(500), caller.send(vec![b'x'; more])).await.ok();
        let early = tokio::time::timeout(Duration::from_millis(200), call.closed()).await;
        assert!(early.is_err(), "{more}: the call goes on while its caller is there");
        let left = Instant::now();
        drop(caller);
        call.closed().await;
        eprintln!("hang-up with {more} bytes behind: {:.1?}", left.elapsed());
        assert!(left.elapsed() < Duration::from_secs(2), "{more}: {:?}", left.elapsed());
    }
}

/// The time without a request begins when all of the one before is over, its body too.
#[tokio::test]
async fn a_body_that_comes_behind_its_answer_is_no_idleness() {
    let idle = Duration::from_secs(2);
    let (server, mut calls) = scripted();
    let world = relay().server(server).relay_config(|config| config.limits.deadlines.idle = idle).start().await;
    let mut caller = world.raw().await;
    caller.send(head(&world, "POST", "/mcp", "content-length: 6\r\n")).await;
    let (mut call, _) = calls.request().await;
    call.say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly").await;
    caller.until("early").await;
    for byte in b"slowly" {
        tokio::time::sleep(idle / 4).await;
        caller.send([*byte]).await;
    }
    tokio::time::sleep(idle / 2).await;
    caller.send(head(&world, "GET", "/next", "")).await;
    let (mut call, _) = calls.request().await;
    call.say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext").await;
    caller.until("next").await;
}
