//! Looking at the local server: waited for, looked at, and told apart.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use gantz_tests::{Origin, echo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::screens::assert_screen;
use crate::{RelayProcess, gantz};

/// The URL that is printed for `target`, without scheme and host.
async fn path_of(target: &str) -> String {
    let mut running = gantz(&format!("run --auth --local-listen 127.0.0.1:0 {target}")).start();
    let line = running.stdout.line("Tunnel URL:").await;
    let (_, after) = line.split_once("localhost:").unwrap();
    after.find('/').map(|at| after[at..].to_owned()).unwrap()
}

fn events() -> axum::routing::MethodRouter {
    get(async || ([("content-type", "text/event-stream")], "event: endpoint\ndata: /m\n\n"))
}

#[tokio::test]
async fn the_printed_url_is_the_one_that_the_server_speaks() {
    let answers = || any(async || "yes");
    for (router, expected) in [
        (Router::new().route("/mcp", answers()).route("/sse", events()), "/mcp"),
        (Router::new().route("/sse", events()), "/sse"),
        (Router::new().route("/mcp", get(async || "not for POST")).route("/sse", events()), "/sse"),
    ] {
        let server = Origin::axum(router);
        assert_eq!(path_of(&server.address().to_string()).await, expected);
    }
}

/// A server that lets only those in who show its own credential, and answers all others with this status.
fn guarded(router: Router, status: StatusCode) -> Origin {
    Origin::axum(router.layer(from_fn(move |request: Request, next: Next| async move {
        match request.headers().get("authorization").is_some_and(|value| value == "Bearer canary") {
            true => next.run(request).await,
            false => status.into_response(),
        }
    })))
}

#[tokio::test]
async fn it_is_asked_with_the_credential_that_callers_requests_get() {
    let server = guarded(Router::new().route("/sse", events()), StatusCode::UNAUTHORIZED);
    let run = format!("run --auth --local-listen 127.0.0.1:0 {} --upstream-header", server.address());
    let mut running = gantz(&run).arg("Authorization: Bearer canary").start();
    assert!(running.stdout.line("Tunnel URL:").await.ends_with("/sse"));
    running.signal("INT").await;
    let ended = running.end().await;
    assert!(!ended.to_string().contains("canary") && !ended.stderr.contains("401"), "{ended}");
}

#[tokio::test]
async fn it_is_asked_with_the_host_that_callers_requests_get() {
    // As servers do that check it against DNS rebinding.
    let check = from_fn(async |request: Request, next: Next| match request.headers()["host"] == "tools.internal" {
        true => next.run(request).await,
        false => StatusCode::NOT_FOUND.into_response(),
    });
    let server = Origin::axum(Router::new().route("/sse", events()).layer(check));
    assert_eq!(path_of(&format!("{} --host-header tools.internal", server.address())).await, "/sse");
    assert_eq!(path_of(&server.address().to_string()).await, "/");
}

#[tokio::test]
async fn a_refusal_on_mcp_is_no_proof_where_events_come_on_sse() {
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        let refuse = any(move || async move { status });
        let server = Origin::axum(Router::new().route("/sse", events()).fallback(refuse));
        assert_eq!(path_of(&server.address().to_string()).await, "/sse");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_credential_is_served_with_a_note() {
    let both = || Router::new().route("/mcp", any(async || "yes")).route("/sse", events());
    let only = |path: &str| Origin::axum(Router::new().route(path, any(async || StatusCode::UNAUTHORIZED)));
    let mut notes = Vec::new();
    for (server, path, expected) in [
        (guarded(both(), StatusCode::UNAUTHORIZED), "", "/mcp"),
        (guarded(both(), StatusCode::FORBIDDEN), "", "/mcp"),
        (only("/mcp"), "", "/mcp"),
        (only("/sse"), "", "/sse"),
        (guarded(both(), StatusCode::UNAUTHORIZED), "/tools", "/tools"),
    ] {
        let target = format!("http://{}{path}", server.address());
        let mut running = gantz(&format!("run --auth --local-listen 127.0.0.1:0 {target}")).start();
        assert!(running.stdout.line("Tunnel URL:").await.ends_with(expected), "{}", running.stdout.now());
        notes.push(running.stderr.line(" answers ").await);
    }
    assert_screen!("guarded", notes.join("\n"));
}

#[tokio::test]
async fn a_full_url_says_which_endpoint() {
    let server = echo();
    assert_eq!(path_of(&format!("http://{}/tools/v1?a=b", server.address())).await, "/tools/v1?a=b");
}

/// What answers a POST to /mcp is not MCP for that alone.
#[tokio::test]
async fn errors_and_pages_are_no_mcp() {
    let error = Router::new().fallback(async || StatusCode::NOT_IMPLEMENTED);
    let moved = Router::new().fallback(async || (StatusCode::FOUND, [("location", "/login")]));
    let page = Router::new().fallback(async || axum::response::Html("<!doctype html>"));
    for server in [error, moved, page] {
        let server = Origin::axum(server);
        let mut running = gantz(&format!("run --auth --local-listen 127.0.0.1:0 {}", server.address())).start();
        let line = running.stderr.line("answers").await;
        assert!(line.contains("not with MCP on /mcp or /sse"), "{line}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_mcp_is_served_with_a_note() {
    let server = Origin::axum(Router::new().route("/", get(async || "hello")));
    let mut running = gantz(&format!("run --auth --local-listen 127.0.0.1:0 {}", server.address())).start();
    let line = running.stderr.line("answers").await;
    assert!(line.contains("not with MCP on /mcp or /sse"), "{line}");
    assert!(running.stdout.line("Tunnel URL:").await.ends_with('/'));
}

#[tokio::test]
async fn a_server_that_answers_garbage_ends_the_run_and_frees_the_name() {
    let server = Origin::raw(async |mut stream| {
        let mut request = [0; 1024];
        if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
            stream.write_all(b"500 what was that?\r\n").await.unwrap();
        }
    });
    let relay = RelayProcess::start().await;
    let ended = relay.run(&format!("{} --auth --name=tools", server.address())).end().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert_eq!(relay.get("tools", "/").send().await.unwrap().status(), 404);
    assert_screen!("garbage", ended);
}

#[tokio::test]
async fn a_server_that_is_not_up_is_waited_for() {
    // Bound but not listening: the port is ours, and refuses connections.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    let relay = RelayProcess::start().await;
    let mut running = relay.run(&format!("{address} --auth=none --name=tools")).start();
    running.stderr.line("waiting for").await;

    let meanwhile = relay.get("tools", "/mcp").send().await.unwrap();
    assert_eq!(meanwhile.status(), 503);
    assert_eq!(meanwhile.headers()["gantz-error"], "upstream_unavailable");
    assert!(meanwhile.headers().contains_key("retry-after"));
    assert_eq!(running.stdout.now(), "", "no URL is printed before there is something behind it");

    let router = Router::new().route("/mcp", any(async || "up"));
    let listener = socket.listen(16).unwrap();
    let server = tokio::spawn(async { axum::serve(listener, router).await });
    running.stdout.line("Tunnel URL:").await;
    assert_eq!(relay.get("tools", "/mcp").send().await.unwrap().text().await.unwrap(), "up");
    running.signal("INT").await;
    assert_screen!("waiting", running.end().await);
    server.abort();
}

#[tokio::test]
async fn waiting_ends_with_ctrl_c_and_the_name_is_free() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let relay = RelayProcess::start().await;
    let mut running = relay.run(&format!("{} --auth --name=tools", socket.local_addr().unwrap())).start();
    running.stderr.line("waiting for").await;
    running.signal("INT").await;
    let ended = running.end().await;
    assert_eq!((ended.code(), &*ended.stdout), (Some(0), ""), "{ended}");
    assert_eq!(relay.get("tools", "/").send().await.unwrap().status(), 404);
}

/// As frameworks do with a path that lacks its last slash. Clients go after it, so the URL may as well be that one.
#[tokio::test]
async fn a_look_goes_after_redirects_on_the_server_itself() {
    let to = |status: StatusCode, location: String| any(move || async move { (status, [("location", location)]) });
    // The URL is absolute, and made of the `Host` and scheme that the server believes in.
    let own = any(async |request: Request| {
        let host = request.headers()["host"].to_str().unwrap();
        (StatusCode::TEMPORARY_REDIRECT, [("location", format!("https://{host}{}/#x", request.uri().path()))])
    });
    // As the one above, without a scheme.
    let without = any(async |request: Request| {
        let host = request.headers()["host"].to_str().unwrap();
        (StatusCode::TEMPORARY_REDIRECT, [("location", format!("//{host}{}/#x", request.uri().path()))])
    });
    let moved = StatusCode::PERMANENT_REDIRECT;
    let yes = || any(async || "yes");
    for (router, expected) in [
        (Router::new().route("/mcp", own.clone()).route("/mcp/", yes()), "/mcp/"),
        (
            Router::new()
                .route("/mcp", to(moved, "/a".into()))
                .route("/a", to(moved, "/b?c=d".into()))
                .route("/b", yes()),
            "/b?c=d",
        ),
        (Router::new().route("/mcp", without).route("/mcp/", yes()), "/mcp/"),
        // Of a path that is relative, the last part of the one before gives way (RFC 3986 §5.2).
        (Router::new().route("/mcp", to(moved, "mcp/".into())).route("/mcp/", yes()), "/mcp/"),
        (
            Router::new()
                .route("/mcp", to(moved, "v1/a/?b".into()))
                .route("/v1/a/", to(moved, "../c?d#e".into()))
                .route("/v1/c", yes()),
            "/v1/c?d",
        ),
        (Router::new().route("/mcp", own.clone()).route("/sse", own).route("/sse/", events()), "/sse/"),
        (Router::new().route("/mcp", to(moved, "/mcp".into())).route("/sse", events()), "/sse"),
        (Router::new().route("/mcp", to(moved, "http://127.0.0.1:1/mcp".into())).route("/sse", events()), "/sse"),
        (Router::new().route("/mcp", to(moved, "//127.0.0.1:1/mcp".into())).route("/sse", events()), "/sse"),
        (Router::new().route("/mcp", to(StatusCode::FOUND, "/a".into())).route("/a", yes()), "/"),
    ] {
        let server = Origin::axum(router);
        assert_eq!(path_of(&server.address().to_string()).await, expected);
    }
}
