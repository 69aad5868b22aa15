//! Each server with every client and every scenario that it has something for.

use serde_json::Value;

use crate::clients::{Client, PYTHON_AND_TYPESCRIPT};
use crate::compare::the_same_both_ways;
use crate::gantz::Gantz;
use crate::servers::{self, Server, Transport};

/// What every full server has, over either transport. `long_call` has a test of its own.
const EVERYTHING: [&str; 8] =
    ["initialize", "tools", "progress", "sampling", "elicitation", "resources", "prompts", "cancel"];

/// The demo's tools are few.
pub(crate) const BASICS: [&str; 2] = ["initialize", "tools"];

#[tokio::test]
async fn the_python_server_over_streamable_http() {
    let results = run(servers::python(Transport::Http).await, true).await;
    for (client, results) in &results {
        reached(*client, results, "2026-07-28");
        assert_eq!(results["reconnect"]["cut_by"], "server", "{client:?}");
        assert_eq!(results["cancel"]["server_saw_cancel"], true, "{client:?}");
        assert!(results["tools"]["tagged_echo"].is_object(), "{client:?}: {results}");
    }
}

#[tokio::test]
async fn the_python_server_over_http_sse() {
    let results = run(servers::python(Transport::Sse).await, false).await;
    for (client, results) in &results {
        reached(*client, results, "2026-07-28");
        assert_eq!(results["cancel"]["server_saw_cancel"], true, "{client:?}");
    }
}

#[tokio::test]
async fn the_reference_server_over_streamable_http() {
    let results = run(servers::reference(Transport::Http).await, true).await;
    for (client, results) in &results {
        reached(*client, results, "2025-11-25");
    }
}

#[tokio::test]
async fn the_reference_server_over_http_sse() {
    let results = run(servers::reference(Transport::Sse).await, false).await;
    for (client, results) in &results {
        reached(*client, results, "2025-11-25");
    }
}

#[tokio::test]
async fn the_rust_server_over_streamable_http() {
    let results = run(servers::rmcp().await, true).await;
    for (client, results) in &results {
        reached(*client, results, "2026-07-28");
        assert_eq!(results["reconnect"]["cut_by"], "server", "{client:?}");
        assert_eq!(results["cancel"]["server_saw_cancel"], true, "{client:?}");
    }
}

#[tokio::test]
async fn the_demo_over_both_transports() {
    let mut gantz = Gantz::start().await;
    // The demo that the agent itself starts is the same server, in another process.
    let tunnel = gantz.run_with(&["--demo"]).await;
    let server = servers::demo(Transport::Http).await;
    let clients = all(&server);
    for (client, results) in the_same_both_ways(&server, &tunnel, &clients, &BASICS).await {
        reached(client, &results, "2026-07-28");
    }
    let server = servers::demo(Transport::Sse).await;
    let tunnel = gantz.run_with(&[&server.url]).await;
    the_same_both_ways(&server, &tunnel, &PYTHON_AND_TYPESCRIPT, &BASICS).await;
    gantz.finish().await;
}

/// All scenarios with all clients, and what has to be in the results besides that they are the same both ways.
async fn run(server: Server, resumes: bool) -> Vec<(Client, Value)> {
    let mut gantz = Gantz::start().await;
    let tunnel = gantz.run(server.port).await;
    assert!(tunnel.url.ends_with(server.transport.path()), "{} is not where {} is", tunnel.url, server.url);

    let mut scenarios = EVERYTHING.to_vec();
    if resumes {
        scenarios.push("reconnect");
    }
    let results = the_same_both_ways(&server, &tunnel, &all(&server), &scenarios).await;
    gantz.finish().await;
    for (client, results) in &results {
        assert_eq!(results["progress"]["progress"][4], serde_json::json!([5, 5]), "{client:?}: {results}");
        assert_eq!(results["cancel"]["cancelled"], true, "{client:?}: {results}");
        if resumes {
            assert_eq!(results["reconnect"]["progress"][5], serde_json::json!([6, 6]), "{client:?}: {results}");
            // The Rust SDK does not tell: what came after the cut is its proof.
            let resumed = results["reconnect"]["resumptions"].as_u64();
            assert!(resumed.is_some_and(|times| times > 0) || *client == Client::Rmcp, "{client:?}: {results}");
        }
    }
    results
}

/// Every client of the server's transport: the Rust SDK has no HTTP+SSE.
pub(crate) fn all(server: &Server) -> Vec<Client> {
    let mut clients = PYTHON_AND_TYPESCRIPT.to_vec();
    if server.transport == Transport::Http {
        clients.push(Client::Rmcp);
    }
    clients
}

/// The newest version that a client of a 2.x line agrees on; the 1.x lines know none after 2025-11-25.
fn reached(client: Client, results: &Value, newest: &str) {
    let expected = match client {
        Client::PythonV1 | Client::TypeScriptV1 => "2025-11-25",
        Client::PythonV2 | Client::TypeScriptV2 | Client::Rmcp => newest,
    };
    assert_eq!(results["initialize"]["protocol_version"], expected, "{client:?}");
}
