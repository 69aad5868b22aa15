//! `gantz token` while callers on official SDKs are in the middle of their work: what each command means for them, in
//! their SDK's own words, and that none of them hangs.
//!
//! A client says when it is in a call before its token is touched, and says when that is over. How it ends depends on
//! where it is met: a call that has no answer yet is refused, an answer that has begun breaks off. What it gets when it
//! connects again is always the same.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::clients::{Client, Credential, PYTHON_AND_TYPESCRIPT, Route, Talk};
use crate::credentials::unauthorized;
use crate::gantz::{Gantz, Tunnel};
use crate::servers::{self, Server, Transport};

/// What a dead token has opened ends within this, and the client with it.
const BURIAL: Duration = Duration::from_secs(5);

/// Until a client that was refused is over, and far more: only one that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the call of a caller takes that nobody disturbs.
const UNDISTURBED_SECONDS: u64 = 15;

/// A server and its tunnel.
struct World {
    gantz: Gantz,
    tunnel: Tunnel,
    server: Server,
}

impl World {
    async fn start(transport: Transport) -> Self {
        let server = servers::python(transport).await;
        let mut gantz = Gantz::start().await;
        let tunnel = gantz.run(server.port).await;
        Self { gantz, tunnel, server }
    }

    /// The way of the caller with a token of its own.
    async fn add(&self, flags: &[&str]) -> Route {
        self.with(self.gantz.add(&self.tunnel, flags).await)
    }

    fn with(&self, token: String) -> Route {
        let credential = Credential::Bearer(token);
        Route { credential, ..Route::tunnelled(&self.tunnel, self.server.transport) }
    }

    /// `gantz token list`, which shows no token.
    async fn list(&self) -> Vec<Value> {
        let listed = self.gantz.token(&self.tunnel, &["list"]).await;
        assert!(!listed.to_string().contains("gtz_"), "{listed}");
        listed.as_array().unwrap().clone()
    }
}

/// All clients over `route`, in this scenario, each as far as this state.
async fn start(route: &Route, scenario: &'static str, state: &str) -> Vec<(Client, Talk)> {
    let starts = PYTHON_AND_TYPESCRIPT.map(async |client| {
        let mut talk = client.start(route, &[scenario], 0).await;
        talk.is(state).await;
        (client, talk)
    });
    join_all(starts).await
}

/// Waits until each of them is refused, which has to be within `most`, and gives its result.
async fn refused(talks: Vec<(Client, Talk)>, scenario: &str, most: Duration) -> Vec<(Client, Value)> {
    let since = Instant::now();
    let ends = talks.into_iter().map(async |(client, mut talk)| {
        talk.is("ended").await;
        let took = since.elapsed();
        assert!(took < most, "{client:?}: {took:?}");
        let results = talk.results(PATIENCE).await.unwrap_or_else(|why| panic!("{client:?}: {why}"));
        assert!(results[scenario]["refusal"].is_object(), "{client:?} was not refused: {results}");
        (client, results[scenario].clone())
    });
    join_all(ends).await
}

/// The results of each client that runs `scenario` to its end.
async fn run(route: &Route, clients: &[Client], scenario: &'static str) -> Vec<(Client, Value)> {
    let runs = clients.iter().map(async |client| {
        let results = client.run(route, &[scenario]).await;
        let results = results.unwrap_or_else(|why| panic!("{client:?} over {:?}: {why}", route.transport));
        (*client, results[scenario].clone())
    });
    join_all(runs).await
}

#[tokio::test]
async fn a_token_for_some_tools_shows_a_client_these_and_forbids_the_others() {
    let world = World::start(Transport::Http).await;
    for (flags, names) in [
        (["--tools", "echo,tagged_*"].as_slice(), json!(["echo", "tagged_echo"])),
        (&["--read-only"], json!(["call_reached", "echo"])),
    ] {
        let route = world.add(flags).await;
        for (client, result) in run(&route, &PYTHON_AND_TYPESCRIPT, "forbidden").await {
            assert_eq!(result["names"], names, "{client:?}");
            assert_eq!(result["echo"]["content"][0]["text"], "allowed", "{client:?}");
            assert_eq!(result["refusal"], forbidden(client, Transport::Http), "{client:?}");
        }
    }
    world.gantz.finish().await;
}

#[tokio::test]
async fn a_token_for_some_tools_over_http_sse() {
    let world = World::start(Transport::Sse).await;
    let route = world.add(&["--tools", "echo,tagged_*"]).await;
    // The Python SDK tells nobody of a message that it could not post: see "Known of the SDKs".
    for (client, result) in run(&route, &[Client::TypeScriptV1, Client::TypeScriptV2], "forbidden").await {
        assert_eq!(result["names"], json!(["echo", "tagged_echo"]), "{client:?}");
        assert_eq!(result["echo"]["content"][0]["text"], "allowed", "{client:?}");
        assert_eq!(result["refusal"], forbidden(client, Transport::Sse), "{client:?}");
    }
    for (client, result) in run(&route, &[Client::PythonV1, Client::PythonV2], "tools").await {
        assert_eq!(result["names"], json!(["echo", "tagged_echo"]), "{client:?}");
        assert_eq!(result["tagged_echo"]["content"][0]["text"], "blue: hello", "{client:?}");
    }
    world.gantz.finish().await;
}

#[tokio::test]
async fn an_added_token_works_at_once_and_is_listed_with_its_calls() {
    let world = World::start(Transport::Http).await;
    for (index, client) in PYTHON_AND_TYPESCRIPT.into_iter().enumerate() {
        let label = format!("client-{index}");
        let route = world.add(&["--label", &label]).await;
        let listed = world.list().await;
        let before = listed.iter().find(|token| token["label"] == *label).unwrap();
        assert_eq!((&before["calls"], &before["last_used_at"]), (&json!(0), &Value::Null));
        let [(_, result)] = &run(&route, &[client], "tools").await[..] else { unreachable!() };
        assert_eq!(result["sum"]["content"][0]["text"], "42", "{client:?}");
        let listed = world.list().await;
        let after = listed.iter().find(|token| token["label"] == *label).unwrap();
        // To say which versions it knows, to list, and to call three tools: each is a request.
        assert!(after["calls"].as_u64().unwrap() >= 5, "{client:?}: {after}");
        assert!(after["last_used_at"].as_str() >= after["created_at"].as_str(), "{client:?}: {after}");
        let first = listed.iter().find(|token| token["id"] == "run").unwrap();
        assert_eq!((&first["calls"], &first["last_used_at"]), (&json!(0), &Value::Null), "its calls are its own");
    }
    world.gantz.finish().await;
}

#[tokio::test]
async fn a_rotated_token_works_for_its_grace_and_then_the_new_one_alone() {
    let world = World::start(Transport::Http).await;
    let old = world.with(world.tunnel.token.clone());
    let talks = start(&old, "until_refused", "working").await;
    let made = world.gantz.token(&world.tunnel, &["rotate", "--grace", "3s"]).await;
    let refused = refused(talks, "until_refused", Duration::from_secs(3) + BURIAL).await;
    assert_eq!((&made["applied"], &made["replaces"]), (&json!(true), &json!("run")));
    let new = world.with(made["token"].as_str().unwrap().to_owned());
    for (client, result) in refused {
        // One call every half second, and its grace is three.
        assert!(result["calls"].as_u64().unwrap() >= 3, "{client:?} went on for its grace: {result}");
        assert_eq!(result["again"], unauthorized(client, Transport::Http), "{client:?}");
    }
    for (client, result) in run(&new, &PYTHON_AND_TYPESCRIPT, "tools").await {
        assert_eq!(result["sum"]["content"][0]["text"], "42", "{client:?}");
    }
    world.gantz.finish().await;
}

#[tokio::test]
async fn a_revoked_token_ends_what_its_clients_do_over_streamable_http() {
    a_revoked_token_ends_what_its_clients_do(Transport::Http).await;
}

#[tokio::test]
async fn a_revoked_token_ends_what_its_clients_do_over_http_sse() {
    a_revoked_token_ends_what_its_clients_do(Transport::Sse).await;
}

async fn a_revoked_token_ends_what_its_clients_do(transport: Transport) {
    let world = World::start(transport).await;
    let route = world.add(&["--label", "ci"]).await;
    let other = world.add(&["--label", "other"]).await;
    let talks = start(&route, "held", "held").await;
    let undisturbed = PYTHON_AND_TYPESCRIPT.map(async |client| {
        let mut talk = client.start(&other, &["long_call"], UNDISTURBED_SECONDS).await;
        talk.is("waiting").await;
        (client, talk)
    });
    let undisturbed = join_all(undisturbed).await;

    let revoked = world.gantz.token(&world.tunnel, &["revoke", "ci"]).await;
    assert_eq!(revoked["applied"], true);
    refused(talks, "held", BURIAL).await;
    for (client, result) in run(&route, &PYTHON_AND_TYPESCRIPT, "until_refused").await {
        assert_eq!((&result["again"], &result["calls"]), (&unauthorized(client, transport), &json!(0)), "{client:?}");
    }

    for (client, talk) in undisturbed {
        let results = talk.results(PATIENCE).await.unwrap_or_else(|why| panic!("{client:?}: {why}"));
        let said = results["long_call"]["content"][0]["text"].as_str().unwrap_or_default();
        assert_eq!(said, format!("waited {UNDISTURBED_SECONDS} s"), "{client:?}: {results}");
    }
    world.gantz.finish().await;
}

#[tokio::test]
async fn a_token_whose_life_is_over_ends_what_its_client_does() {
    let world = World::start(Transport::Http).await;
    // One at a time, and long enough for it to start on a machine that is busy.
    for client in PYTHON_AND_TYPESCRIPT {
        let route = world.add(&["--label", "brief", "--ttl", "8s"]).await;
        let born = Instant::now();
        let mut talk = client.start(&route, &["held"], 0).await;
        talk.is("held").await;
        talk.is("ended").await;
        let lived = born.elapsed();
        assert!(lived < Duration::from_secs(8) + BURIAL, "{client:?}: {lived:?}");
        let results = talk.results(PATIENCE).await.unwrap_or_else(|why| panic!("{client:?}: {why}"));
        assert!(results["held"]["refusal"].is_object(), "{client:?}: {results}");
        let [(_, again)] = &run(&route, &[client], "until_refused").await[..] else { unreachable!() };
        assert_eq!(again["again"], unauthorized(client, Transport::Http), "{client:?}");
        assert_eq!(again["calls"], 0, "{client:?}");
    }
    world.gantz.finish().await;
}

#[tokio::test]
async fn the_sixth_request_of_five_a_minute_is_too_many_in_every_clients_own_words() {
    let world = World::start(Transport::Http).await;
    let runs = PYTHON_AND_TYPESCRIPT.map(async |client| {
        let route = world.add(&["--label", &format!("{client:?}"), "--rate", "5/min"]).await;
        run(&route, &[client], "until_refused").await.remove(0)
    });
    for (client, result) in join_all(runs).await {
        assert!(result["calls"].as_u64().unwrap() >= 1, "{client:?} worked before: {result}");
        assert_eq!(result["refusal"], too_many(client), "{client:?}");
    }
    for token in world.list().await.iter().filter(|token| token["id"] != "run") {
        // The sixth comes no further than the edge.
        assert_eq!((&token["calls"], &token["rate"]), (&json!(5), &json!("5/min")), "{token}");
    }
    world.gantz.finish().await;
}

/// What each SDK makes of a 403 to a call; the tables are in `tests/e2e/README.md`.
fn forbidden(client: Client, transport: Transport) -> Value {
    match (client, transport) {
        // It reads the challenge.
        (Client::TypeScriptV2, Transport::Http) => {
            json!({ "error_class": "InsufficientScopeError", "status": null, "kind": null })
        }
        (Client::TypeScriptV1 | Client::TypeScriptV2, Transport::Sse) => {
            json!({ "error_class": "Error", "status": 403, "kind": null })
        }
        _ => refusal(client, 403),
    }
}

/// What each SDK makes of a 429 over Streamable HTTP.
fn too_many(client: Client) -> Value {
    refusal(client, 429)
}

/// What each SDK makes of a status that it has no words of its own for, over Streamable HTTP.
fn refusal(client: Client, status: u16) -> Value {
    match client {
        Client::PythonV1 => json!({ "error_class": "HTTPStatusError", "status": status, "kind": null }),
        Client::PythonV2 => json!({ "error_class": "MCPError", "status": null, "kind": -32603 }),
        Client::TypeScriptV1 => json!({ "error_class": "StreamableHTTPError", "status": status, "kind": null }),
        Client::TypeScriptV2 => {
            json!({ "error_class": "SdkHttpError", "status": status, "kind": "CLIENT_HTTP_NOT_IMPLEMENTED" })
        }
        Client::Rmcp => unreachable!("it has no such scenario"),
    }
}
