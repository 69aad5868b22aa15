//! Tokens that die while they are in use: what they have opened ends, nothing new begins, and nobody else notices.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use gantz_agent::tokens::Spec;
use gantz_tests::{Origin, World, relay, within};
use tokio::sync::broadcast;

/// How long a dead token's streams may go on.
const BURIAL: Duration = Duration::from_secs(5);

/// A server whose `/sse` says hello and then whatever it is told; `/silent` never answers.
fn announcer() -> (Origin, broadcast::Sender<&'static str>) {
    let (announce, _) = broadcast::channel(16);
    let sender = announce.clone();
    let events = get(async move || {
        let heard = futures_util::stream::unfold(sender.subscribe(), async |mut heard| {
            heard.recv().await.ok().map(|event| (event, heard))
        });
        let hello = futures_util::stream::once(std::future::ready("data: hello\n\n"));
        let body = Body::from_stream(hello.chain(heard).map(Ok::<_, Infallible>));
        ([("content-type", "text/event-stream")], body)
    });
    let silent = get(async || std::future::pending::<()>().await);
    (Origin::axum(Router::new().route("/sse", events).route("/silent", silent)), announce)
}

type Events = BoxStream<'static, reqwest::Result<bytes::Bytes>>;

/// A stream that `token` has opened, behind its first event.
async fn listen(world: &World, token: &str) -> Events {
    let answer = world.get("/sse").bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut events = answer.bytes_stream().boxed();
    assert_eq!(next(&mut events).await.unwrap().unwrap(), "data: hello\n\n");
    events
}

async fn next(events: &mut Events) -> Option<reqwest::Result<bytes::Bytes>> {
    within("an event", events.next()).await
}

async fn status(world: &World, token: &str) -> (u16, String) {
    let answer = world.get("/sse").bearer_auth(token).send().await.unwrap();
    let code = answer.headers().get("gantz-error").map(|code| code.to_str().unwrap().to_owned());
    (answer.status().as_u16(), code.unwrap_or_default())
}

fn with_ttl(seconds: u64) -> Spec {
    Spec { ttl: Some(Duration::from_secs(seconds)), ..Spec::default() }
}

#[tokio::test]
async fn a_revoked_token_loses_its_streams_and_nobody_elses() {
    let (server, announce) = announcer();
    let world = relay().server(server).start().await;
    let made = world.agent.tokens().add(Spec { label: Some("ci".into()), ..Spec::default() }).unwrap();
    within("the new token", world.agent.tokens().is_applied(made.generation)).await;
    let token = made.token.unwrap();
    let mut of_ci = listen(&world, token.reveal()).await;
    let mut of_others = listen(&world, &world.token).await;
    let waiting = tokio::spawn(world.get("/silent").bearer_auth(token.reveal()).send());
    within("the silent call", async {
        while !world.server.requests().iter().any(|request| request.path == "/silent") {
            tokio::task::yield_now().await;
        }
    })
    .await;

    let revoked = world.agent.tokens().revoke("ci").unwrap();
    let since = Instant::now();
    assert!(next(&mut of_ci).await.is_none_or(|event| event.is_err()), "the stream is broken off");
    let waited = within("the silent call's end", waiting).await.unwrap().unwrap();
    assert_eq!(waited.status(), 401);
    assert!(since.elapsed() < BURIAL, "{:?}", since.elapsed());
    within("the relay's word", world.agent.tokens().is_applied(revoked.generation)).await;
    assert_eq!(status(&world, token.reveal()).await, (401, "invalid_token".into()));

    announce.send("data: still here\n\n").unwrap();
    assert_eq!(next(&mut of_others).await.unwrap().unwrap(), "data: still here\n\n");
}

/// A relay that is told to stop lets streams finish, but not those of a token that dies meanwhile.
#[tokio::test]
async fn a_token_that_is_revoked_while_the_relay_drains_loses_its_streams() {
    let (server, _announce) = announcer();
    let world = relay().server(server).start().await;
    let made = world.agent.tokens().add(Spec { label: Some("ci".into()), ..Spec::default() }).unwrap();
    within("the new token", world.agent.tokens().is_applied(made.generation)).await;
    let mut of_ci = listen(&world, made.token.unwrap().reveal()).await;
    let mut of_others = listen(&world, &world.token).await;
    let World { relay, agent, server: _server, .. } = world;
    let draining = tokio::spawn(relay.shutdown());
    let revoked = agent.tokens().revoke("ci").unwrap();
    within("the relay's word", agent.tokens().is_applied(revoked.generation)).await;
    assert!(next(&mut of_ci).await.is_none_or(|event| event.is_err()), "the stream is broken off");
    assert!(of_others.next().now_or_never().is_none(), "others' may finish");
    assert!(!draining.is_finished());
    drop((of_others, agent));
    within("the end of the drain", draining).await.unwrap();
}

#[tokio::test]
async fn an_expired_token_loses_its_streams() {
    let (server, announce) = announcer();
    let world = relay().server(server).start().await;
    let made = world.agent.tokens().add(with_ttl(2)).unwrap();
    within("the new token", world.agent.tokens().is_applied(made.generation)).await;
    let token = made.token.unwrap();
    let mut events = listen(&world, token.reveal()).await;
    announce.send("data: alive\n\n").unwrap();
    assert_eq!(next(&mut events).await.unwrap().unwrap(), "data: alive\n\n");
    let expires = world.agent.tokens().list().last().unwrap().expires.unwrap();
    assert!(next(&mut events).await.unwrap().is_err());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(now >= Duration::from_secs(expires), "not a moment too early");
    assert!(now < Duration::from_secs(expires) + BURIAL);
    assert_eq!(status(&world, token.reveal()).await, (401, "expired_token".into()));
}

#[tokio::test]
async fn a_rotated_token_works_for_its_grace() {
    let (server, _announce) = announcer();
    let world = relay().server(server).start().await;
    let changed = world.agent.tokens().rotate(None, Duration::from_secs(2)).unwrap();
    within("the new token", world.agent.tokens().is_applied(changed.generation)).await;
    let new = changed.token.unwrap();
    let mut old_stream = listen(&world, &world.token).await;
    let _new_stream = listen(&world, new.reveal()).await;
    assert!(next(&mut old_stream).await.unwrap().is_err());
    assert_eq!(status(&world, &world.token).await, (401, "expired_token".into()));
    assert_eq!(status(&world, new.reveal()).await.0, 200);
}

#[tokio::test]
async fn the_book_knows_who_has_called() {
    let (server, _announce) = announcer();
    let world = relay().server(server).start().await;
    let made = world.agent.tokens().add(with_ttl(3600)).unwrap();
    within("the new token", world.agent.tokens().is_applied(made.generation)).await;
    assert_eq!(status(&world, made.token.unwrap().reveal()).await.0, 200);
    let listed = world.agent.tokens().list();
    assert_eq!(listed.iter().map(|token| token.calls).collect::<Vec<_>>(), [0, 1]);
    assert!(listed[0].last_used.is_none() && listed[1].last_used.is_some());
}
