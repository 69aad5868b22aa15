//! Tokens that may call some tools only, against the demo server, in all three eras: what they may not call is refused
//! before the local server hears of it, and what they may not call they do not see.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use gantz_agent::permissions::Permissions;
use gantz_agent::tokens::Spec;
use gantz_tests::{World, echo, relay, within};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A tunnel to the demo server, and a token that may call `echo` and `a*`.
struct Restricted {
    world: World,
    token: String,
    _demo: DropGuard,
}

impl Restricted {
    async fn start(permissions: Permissions) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let stop = CancellationToken::new();
        let serving = gantz_agent::demo::serve(listener, stop.clone());
        tokio::spawn(async move { serving.await.unwrap() });
        let world = relay().server(echo()).agent_config(|config| config.target = target).start().await;
        let made = world.agent.tokens().add(Spec { permissions, ..Spec::default() }).unwrap();
        within("the new token", world.agent.tokens().is_applied(made.generation)).await;
        let token = made.token.unwrap().reveal().to_owned();
        Self { world, token, _demo: stop.drop_guard() }
    }

    fn post(&self, path: &str, fields: &[(&str, &str)], body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        let post = self.world.post(path).bearer_auth(&self.token).header("content-type", "application/json");
        let post = post.header("accept", "application/json, text/event-stream");
        fields.iter().fold(post, |post, (name, value)| post.header(*name, *value)).body(body)
    }

    /// Without a session, as 2026-07-28 has it.
    async fn stateless(&self, method: &str, params: Value) -> reqwest::Response {
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let mut fields = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        if !name.is_empty() {
            fields.push(("mcp-name", &name));
        }
        self.post("/mcp", &fields, request(method, params).to_string()).send().await.unwrap()
    }
}

fn some() -> Permissions {
    Permissions { tools: Some("echo,a*".parse().unwrap()), read_only: false }
}

fn request(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// The one message of an answer, whether it is JSON or an event.
async fn message(answer: reqwest::Response) -> Value {
    assert_eq!(answer.status(), StatusCode::OK);
    let text = answer.text().await.unwrap();
    let data = text.lines().rfind(|line| line.starts_with("data:") && line.len() > 6);
    let json = data.map_or(&*text, |line| &line[5..]);
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn tools(message: &Value) -> Vec<&str> {
    let mut names: Vec<_> = message["result"]["tools"]
        .as_array()
        .unwrap_or_else(|| panic!("{message}"))
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    names
}

async fn assert_forbidden(answer: reqwest::Response, tool: &str) {
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(answer.headers()["gantz-error"], "insufficient_scope");
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(challenge.starts_with("Bearer ") && challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"], "insufficient_scope");
    assert!(body["message"].as_str().unwrap().contains(tool), "{body}");
}

#[tokio::test]
async fn without_a_session() {
    let restricted = Restricted::start(some()).await;
    assert_eq!(tools(&message(restricted.stateless("tools/list", json!({})).await).await), ["add", "echo"]);
    let called = restricted.stateless("tools/call", json!({ "name": "add", "arguments": { "a": 1, "b": 2 } })).await;
    assert_eq!(message(called).await["result"]["content"][0]["text"], "3");
    assert_forbidden(restricted.stateless("tools/call", json!({ "name": "now" })).await, "now").await;

    // A token without permissions sees and calls everything.
    let call = restricted.world.post("/mcp").bearer_auth(&restricted.world.token);
    let call = call
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/list")
        .body(request("tools/list", json!({})).to_string());
    assert_eq!(tools(&message(call.send().await.unwrap()).await), ["add", "count", "echo", "now"]);
}

#[tokio::test]
async fn in_a_session() {
    let restricted = Restricted::start(some()).await;
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    } });
    let answer = restricted.post("/mcp", &[], hello.to_string()).send().await.unwrap();
    let session = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    assert_eq!(message(answer).await["result"]["protocolVersion"], "2025-06-18");
    let fields = [("mcp-session-id", &*session), ("mcp-protocol-version", "2025-06-18")];
    let post = async |body: Value| restricted.post("/mcp", &fields, body.to_string()).send().await.unwrap();
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(ready).await.status(), StatusCode::ACCEPTED);

    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    assert_eq!(tools(&message(post(list).await).await), ["add", "echo"]);
    let call = |id: u32, tool: &str| {
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
                "params": { "name": tool, "arguments": { "message": "hi" } } })
    };
    assert_eq!(message(post(call(2, "echo")).await).await["result"]["content"][0]["text"], "hi");
    assert_forbidden(post(call(3, "now")).await, "now").await;
    // One forbidden call in a batch refuses the batch.
    assert_forbidden(post(json!([call(4, "echo"), call(5, "count")])).await, "count").await;
}

#[tokio::test]
async fn over_http_and_sse() {
    let restricted = Restricted::start(some()).await;
    let stream = restricted.world.get("/sse").bearer_auth(&restricted.token).send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    let mut events = Events { stream: stream.bytes_stream().boxed(), seen: String::new() };
    let endpoint = events.next().await;
    let post = async |body: Value| restricted.post(&endpoint, &[], body.to_string()).send().await.unwrap();
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    } });
    assert_eq!(post(hello).await.status(), StatusCode::ACCEPTED);
    assert_eq!(events.message().await["id"], 0);
    post(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    // The answer to this POST comes on the stream of that GET.
    post(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })).await;
    assert_eq!(tools(&events.message().await), ["add", "echo"]);
    let now = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "now" } });
    assert_forbidden(post(now).await, "now").await;
}

struct Events {
    stream: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    seen: String,
}

impl Events {
    /// The data of the next event.
    async fn next(&mut self) -> String {
        loop {
            if let Some((event, rest)) = self.seen.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
                self.seen = rest.to_owned();
                if let Some(data) = data {
                    return data;
                }
                continue;
            }
            let piece = within("an event", self.stream.next()).await.expect("the stream goes on").unwrap();
            self.seen.push_str(&String::from_utf8_lossy(&piece).replace("\r\n", "\n"));
        }
    }

    async fn message(&mut self) -> Value {
        serde_json::from_str(&self.next().await).unwrap()
    }
}

#[tokio::test]
async fn what_cannot_be_read_without_doubt_is_refused() {
    let restricted = Restricted::start(some()).await;
    let now = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"now"}}"#;
    for (what, fields, body, status) in [
        ("no JSON", &[][..], "tools/call now".to_owned(), 400),
        ("half of it", &[], now[..40].to_owned(), 400),
        (
            "two methods",
            &[],
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"now"}}"#.into(),
            400,
        ),
        (
            "two names",
            &[],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"now"}}"#.into(),
            400,
        ),
        (
            "two names, one escaped",
            &[],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","n\u0061me":"now"}}"#.into(),
            400,
        ),
        ("a byte order mark", &[], format!("\u{feff}{now}"), 400),
        ("something behind it", &[], format!("{now}{now}"), 400),
        ("an encoding", &[("content-encoding", "gzip")], now.to_owned(), 415),
        ("another name in its field", &[("mcp-method", "tools/call"), ("mcp-name", "echo")], now.to_owned(), 400),
        ("another method in its field", &[("mcp-method", "ping")], now.to_owned(), 400),
    ] {
        let answer = restricted.post("/mcp", fields, body.clone()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{what}");
        assert!(answer.headers().contains_key("gantz-error"), "{what}: the local server has seen it");
        // Whoever has no permissions is not looked at: the local server says what it thinks of that.
        let free = restricted.world.post("/mcp").bearer_auth(&restricted.world.token);
        let free = free.header("content-type", "application/json").body(body).send().await.unwrap();
        assert!(!free.headers().contains_key("gantz-error"), "{what}");
    }
}

#[tokio::test]
async fn read_only_tools_have_to_be_known() {
    let restricted = Restricted::start(Permissions { tools: None, read_only: true }).await;
    assert_forbidden(restricted.stateless("tools/call", json!({ "name": "now" })).await, "now").await;
    assert_eq!(
        tools(&message(restricted.stateless("tools/list", json!({})).await).await),
        ["add", "count", "echo", "now"],
        "all of them only read"
    );
    assert_eq!(restricted.stateless("tools/call", json!({ "name": "now" })).await.status(), StatusCode::OK);
    assert_forbidden(restricted.stateless("tools/call", json!({ "name": "unheard-of" })).await, "unheard-of").await;
}

#[tokio::test]
async fn fields_that_describe_a_message_need_one() {
    let restricted = Restricted::start(some()).await;
    let World { url, token: free, .. } = &restricted.world;
    let client = restricted.world.client();
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        for path in ["/mcp", "/sse", "/messages", "/"] {
            for field in ["mcp-method", "mcp-name", "mcp_method"] {
                let send = async |token: &str| {
                    let request = client.request(method.parse().unwrap(), format!("{url}{path}")).bearer_auth(token);
                    within("an answer", request.header(field, "tools/list").send()).await.unwrap()
                };
                let answer = send(&restricted.token).await;
                assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{method} {path} {field}");
                assert_eq!(answer.headers()["gantz-error"], "header_mismatch", "{method} {path} {field}");
                if method != "HEAD" {
                    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], -32020);
                }
                // Whoever has no permissions is not looked at.
                assert!(!send(free).await.headers().contains_key("gantz-error"), "{method} {path} {field}");
            }
        }
    }
    let stream = restricted.world.get("/sse").bearer_auth(&restricted.token).send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
}
