//! The life of a key: it ends, and with it what it has opened.

use std::time::Duration;

use axum::Router;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures_util::StreamExt;
use gantz_tests::{Origin, within};

use crate::{Relay, Run};

/// Events for ever, under `/events`.
fn endless() -> Origin {
    let events = || async {
        let numbers = futures_util::stream::iter(0..).then(|number: u32| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, std::convert::Infallible>(Event::default().data(number.to_string()))
        });
        Sse::new(numbers)
    };
    Origin::axum(Router::new().route("/events", get(events)).fallback(async || "here"))
}

#[tokio::test]
async fn revoked_under_an_open_tunnel() {
    let (relay, server) = (Relay::start().await, endless());
    let (key, other) = (relay.key("--label alice").await, relay.key("--label bob").await);
    let target = server.address().to_string();
    let run = Run::ready(relay.run_to(&target, Some(&key), "").start()).await;
    let neighbour = relay.open(&other, "").await;
    let mut events = within("an answer", run.get("/events").send()).await.unwrap().bytes_stream();
    within("an event", events.next()).await.unwrap().unwrap();

    let revoked = relay.told("key revoke alice").await;
    assert_eq!(revoked["revoked"][0].as_str(), Some(&*key.id));
    // The stream is reset, never ended cleanly.
    let end = async {
        loop {
            match events.next().await {
                Some(Ok(_)) => {}
                Some(Err(_)) => return,
                None => panic!("it ended as if it was whole"),
            }
        }
    };
    within("the end of the stream", end).await;
    let screen = run.refused().await;
    assert!(screen.contains("the access key was revoked"), "{screen}");
    let screen = relay.refused(Some(&key), "").await;
    assert!(screen.contains("the access key was revoked"), "{screen}");
    assert_eq!(neighbour.get("/").send().await.unwrap().status(), 404, "another's tunnel is as it was");
    neighbour.leave().await;

    // With the relay's end the audit log is on the disk: it says whose tunnel was whose.
    let relay = relay.restart().await;
    let log = std::fs::read_to_string(relay.folder.path().join("state/audit/audit.log")).unwrap();
    for key in [&key, &other] {
        let opened =
            |line: &&str| line.contains("\"tunnel_opened\"") && line.contains(&format!("\"key\":\"{}\"", key.id));
        assert_eq!(log.lines().filter(opened).count(), 1, "{log}");
    }
    let screen = relay.refused(Some(&key), "").await;
    assert!(screen.contains("the access key was revoked"), "{screen}");
    relay.assert_silent_about(&key);
    assert_eq!(relay.operator("key revoke alice").await.code(), Some(1), "it is revoked already");
}

#[tokio::test]
async fn expired_under_an_open_tunnel() {
    let relay = Relay::start().await;
    let key = relay.key("--label alice --expires 10s").await;
    let run = relay.open(&key, "").await;
    let screen = run.refused().await;
    assert!(screen.contains("the access key has expired"), "{screen}");
    let screen = relay.refused(Some(&key), "").await;
    assert!(screen.contains("the access key has expired"), "{screen}");
    let list = relay.operator("key list").await;
    assert!(list.stdout.contains("expired"), "{list}");
}

#[tokio::test]
async fn what_was_typed_counts_for_the_next_agent() {
    let relay = Relay::start().await;
    for _ in 0..5 {
        let key = relay.key("--label alice").await;
        relay.open(&key, "").await.leave().await;
        relay.told("key revoke alice").await;
        relay.refused(Some(&key), "").await;
    }
}

#[tokio::test]
async fn a_label_ends_all_of_its_keys_and_no_other() {
    let relay = Relay::start().await;
    let [one, two] = [relay.key("--label ci").await, relay.key("--label ci").await];
    let revoked = relay.told("key revoke ci").await;
    assert_eq!(revoked["revoked"].as_array().unwrap().len(), 2, "{revoked}");
    for key in [&one, &two] {
        relay.refused(Some(key), "").await;
    }
    let unknown = relay.operator("key revoke nobody").await;
    assert_eq!(unknown.code(), Some(1), "{unknown}");
    assert!(unknown.stderr.contains("no access key is called `nobody`"), "{unknown}");
}
