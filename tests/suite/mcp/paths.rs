//! Paths as they were sent, byte for byte, and callers that are odd but right.

use gantz_tests::{Raw, World, echo, relay};

use super::scripted::scripted;

const PATHS: [&str; 14] = [
    "/mcp",
    "/mcp/",
    "/mcp//",
    "//mcp",
    "/MCP",
    "/",
    "/mcp?",
    "/mcp?a=1&a=2&b",
    "/mcp?redirect=https://x.example/?y=%20+z",
    "/a%2Fb/%c3%a4/%C3%A4/%25",
    "/a/./b/../c",
    "/mcp;v=1,2!$&'()*:@~",
    "/mcp?sessionId=abc|def^[]{}",
    "/messages/?session_id=00000000-0000-0000-0000-000000000000",
];

#[tokio::test]
async fn paths_arrive_as_they_were_sent() {
    let (server, mut calls) = scripted();
    let world = relay().server(server).start().await;
    for path in PATHS {
        let mut caller = world.raw().await;
        caller.send(format!("GET {path} HTTP/1.1\r\nhost: {}\r\nx-api-key: {}\r\n\r\n", world.host, world.token)).await;
        let (mut call, head) = calls.request().await;
        assert!(head.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{path}: {head}");
        call.say("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
        assert!(caller.until("\r\n\r\n").await.starts_with("HTTP/1.1 204"), "{path}");
    }
}

#[tokio::test]
async fn the_same_over_http2() {
    let world = relay().server(echo()).start().await;
    let client = world.client();
    for path in PATHS {
        // A URL parser normalises dots and encodes some characters before anything is sent; what it made is what counts.
        let request = client.get(format!("{}{path}", world.url)).bearer_auth(&world.token).build().unwrap();
        let url = request.url();
        let sent = url.query().map_or(url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let answer = client.execute(request).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2), "{path}");
        assert_eq!(world.server.last().path, sent);
    }
}

async fn said(world: &World, fields: &str) -> String {
    let mut caller = world.raw().await;
    let World { host, token, .. } = world;
    caller
        .send(format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n{fields}\r\n{{}}"))
        .await;
    caller.until("\r\n\r\n").await
}

#[tokio::test]
async fn odd_callers_are_served() {
    let world = relay().server(echo()).start().await;
    for fields in [
        // No User-Agent, no Accept, no Content-Type, no MCP-Protocol-Version.
        "content-length: 2\r\n",
        "accept: */*\r\ncontent-length: 2\r\n",
        "ACCEPT: application/json;q=0.1, text/event-stream\r\nCONTENT-LENGTH: 2\r\n",
        "mcp-session-id: never seen before\r\ncontent-length: 2\r\n",
        "connection: close\r\ncontent-length: 2\r\n",
        "connection: keep-alive, te\r\nte: trailers\r\ncontent-length: 2\r\n",
        "user-agent: \r\nx-empty:\r\ncontent-length: 2\r\n",
        "content-length:    2   \r\n",
    ] {
        let head = said(&world, fields).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{fields:?}: {head}");
    }
    assert_eq!(world.server.requests().len(), 8);
    assert!(
        world.server.requests().iter().all(|head| !head.fields.contains_key("te") || head.fields["te"] == "trailers")
    );
    assert!(world.server.requests()[0].fields.keys().all(|name| !["accept", "user-agent"].contains(&name.as_str())));
}

#[tokio::test]
async fn a_probe_before_the_first_call_disturbs_nothing() {
    let world = relay().server(echo()).start().await;
    // Connected and gone; TLS and gone; half a head and gone.
    drop(Raw::plain(world.relay.edge_addr()).await);
    drop(world.raw().await);
    let mut half = world.raw().await;
    half.send("POST /mcp HT").await;
    drop(half);
    let probe = world.client().head(&world.url).send().await.unwrap();
    assert_eq!(probe.status(), 401);
    let head = said(&world, "content-length: 2\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(world.server.requests().len(), 1);
}

#[tokio::test]
async fn sessions_that_nobody_deletes_do_not_matter() {
    let world = relay().server(echo()).start().await;
    let client = world.client();
    for session in 0..50 {
        let request = client.post(&world.url).bearer_auth(&world.token).header("mcp-session-id", session.to_string());
        assert_eq!(request.body("{}").send().await.unwrap().status(), 200);
    }
    assert_eq!(world.server.requests().len(), 50);
}
