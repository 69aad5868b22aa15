//! Cancelling, both ways. The product promises 100 ms; each test makes twenty rounds and shows the median and the
//! longest. What is asserted is one second, ten times the promise: these tests share two cores with a build and with
//! other tests, and a cancel that is lost altogether takes until the idle timeout of 30 s.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use gantz_tests::{World, relay, within};

use super::scripted::{Call, Calls, assert_end, chunked, scripted};

const ROUNDS: usize = 20;
const PROMISED: Duration = Duration::from_millis(100);
const ASSERTED: Duration = Duration::from_secs(1);

/// How far the answer has come when somebody goes away.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    /// The server has the request and has said nothing.
    Head,
    /// The caller has read a part of the body.
    Body,
}

fn judge(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    eprintln!("cancel: {what}: median {median:.1?}, longest {longest:.1?}, promised {PROMISED:?}");
    assert!(median < PROMISED, "{what}: {times:?}");
    assert!(longest < ASSERTED, "{what}: {times:?}");
}

fn request(world: &World) -> String {
    let World { host, token, .. } = world;
    format!("POST /mcp HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\ncontent-length: 2\r\n\r\n{{}}")
}

/// Takes the request, and answers as far as `at`.
async fn serve(calls: &mut Calls, at: At) -> Call {
    let (mut call, _) = calls.request().await;
    call.until("{}").await;
    if at == At::Body {
        call.say(chunked("content-type: text/event-stream\r\n")).await;
        call.chunk("data: 1\n\n").await;
    }
    call
}

async fn http1_caller_leaves(at: At) {
    let (server, mut calls) = scripted();
    let world = relay().server(server).start().await;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let mut caller = world.raw().await;
        caller.send(request(&world)).await;
        let mut call = serve(&mut calls, at).await;
        if at == At::Body {
            caller.until("data: 1\n\n").await;
        }
        let left = Instant::now();
        drop(caller);
        call.closed().await;
        times.push(left.elapsed());
    }
    judge(&format!("HTTP/1.1 caller closes, {at:?}"), times);
}

/// A dropped request of an HTTP/2 client is a RST_STREAM; the connection stays.
async fn http2_caller_leaves(at: At) {
    let (server, mut calls) = scripted();
    let world = relay().server(server).start().await;
    let client = world.client();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let caller = tokio::spawn(client.post(&world.url).bearer_auth(&world.token).body("{}").send());
        let mut call = serve(&mut calls, at).await;
        let left = match at {
            At::Head => {
                let left = Instant::now();
                caller.abort();
                left
            }
            At::Body => {
                let answer = within("the head", caller).await.unwrap().unwrap();
                assert_eq!(answer.version(), http::Version::HTTP_2);
                let mut body = answer.bytes_stream();
                assert_eq!(within("a piece", body.next()).await.unwrap().unwrap(), "data: 1\n\n");
                Instant::now()
            }
        };
        call.closed().await;
        times.push(left.elapsed());
    }
    judge(&format!("HTTP/2 caller resets, {at:?}"), times);
}

#[tokio::test]
async fn an_http1_caller_that_hangs_up_ends_the_local_call() {
    http1_caller_leaves(At::Head).await;
    http1_caller_leaves(At::Body).await;
}

#[tokio::test]
async fn an_http2_caller_that_resets_ends_the_local_call() {
    http2_caller_leaves(At::Head).await;
    http2_caller_leaves(At::Body).await;
}

#[tokio::test]
async fn a_caller_that_leaves_in_mid_upload_ends_the_local_call() {
    let (server, mut calls) = scripted();
    let world = relay().server(server).start().await;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let mut caller = world.raw().await;
        caller.send(request(&world).replace("content-length: 2", "content-length: 100")).await;
        let mut call = serve(&mut calls, At::Head).await;
        let left = Instant::now();
        drop(caller);
        call.closed().await;
        times.push(left.elapsed());
    }
    judge("HTTP/1.1 caller closes in its body", times);
}

#[tokio::test]
async fn a_server_that_dies_is_a_reset_for_the_caller() {
    for http1 in [true, false] {
        let (server, mut calls) = scripted();
        let world = relay().server(server).start().await;
        let client = if http1 { world.http1() } else { world.client() };
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let caller = tokio::spawn(client.post(&world.url).bearer_auth(&world.token).body("{}").send());
            let call = serve(&mut calls, At::Body).await;
            let mut body = within("the head", caller).await.unwrap().unwrap().bytes_stream();
            assert_eq!(within("a piece", body.next()).await.unwrap().unwrap(), "data: 1\n\n");
            let left = Instant::now();
            drop(call);
            assert!(within("the end", body.next()).await.unwrap().is_err(), "a part was passed off as the whole");
            times.push(left.elapsed());
        }
        judge(if http1 { "server dies, HTTP/1.1" } else { "server dies, HTTP/2" }, times);
    }
}

#[tokio::test]
async fn one_cancelled_call_leaves_the_others_of_its_connection_alone() {
    let (server, mut calls) = scripted();
    let world = relay().server(server).start().await;
    let client = world.client();
    let call = || tokio::spawn(client.post(&world.url).bearer_auth(&world.token).body("{}").send());
    let staying = call();
    let mut kept = serve(&mut calls, At::Body).await;
    let mut body = within("the head", staying).await.unwrap().unwrap().bytes_stream();
    assert_eq!(within("a piece", body.next()).await.unwrap().unwrap(), "data: 1\n\n");
    let leaving = call();
    let mut dropped = serve(&mut calls, At::Head).await;
    leaving.abort();
    dropped.closed().await;
    kept.chunk("data: 2\n\n").await;
    assert_eq!(within("a piece", body.next()).await.unwrap().unwrap(), "data: 2\n\n");
    kept.end().await;
    assert_end(&mut body).await;
}
