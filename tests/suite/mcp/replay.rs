//! A request whose first byte has left is never sent again: a tool that ran twice is worse than an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gantz_tests::{Origin, relay, within};
use http::Method;

use super::scripted::{Call, scripted};
use super::status::assert_failure;

#[tokio::test]
async fn a_server_that_closes_after_the_request_has_seen_it_once() {
    for method in [Method::GET, Method::POST, Method::DELETE, Method::PUT] {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let world = relay()
            .server(Origin::raw(move |stream| {
                let count = counted.clone();
                async move {
                    Call::new(stream).head().await;
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }))
            .start()
            .await;
        let request = world.client().request(method.clone(), &world.url).bearer_auth(&world.token);
        let answer = within("an answer", request.send()).await.unwrap();
        assert_failure(answer, 502, "upstream_invalid").await;
        assert_eq!(count.load(Ordering::SeqCst), 1, "{method}");
    }
}

#[tokio::test]
async fn a_request_on_a_reused_connection_that_closes_is_not_sent_again_either() {
    let (server, mut calls) = scripted();
    let world = relay().server(server).start().await;
    let client = world.client();
    let get = || within("an answer", client.get(&world.url).bearer_auth(&world.token).send());
    let first = async {
        let (mut call, _) = calls.request().await;
        call.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        call
    };
    let (answer, mut call) = tokio::join!(get(), first);
    assert_eq!(answer.unwrap().text().await.unwrap(), "ok");
    let second = async {
        // The same connection: no request meets the cost of a new one while an idle one is there.
        call.head().await;
        drop(call);
    };
    let (answer, ()) = tokio::join!(get(), second);
    assert_failure(answer.unwrap(), 502, "upstream_invalid").await;
    assert!(calls.is_empty());
}
