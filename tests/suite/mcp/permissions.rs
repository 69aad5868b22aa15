//! Tokens that may call some tools only, against the demo server, in all three eras: what they may not call is refused
//! before the local server hears of it, and what they may not call they do not see.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, Request};
use axum::routing::{any, get, post};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use gantz_agent::listing::Listing;
use gantz_agent::permissions::Permissions;
use gantz_agent::tokens::Spec;
use gantz_tests::{Origin, World, echo, relay, within};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A tunnel to the demo server, and a token that may call `echo` and `a*`.
struct Restricted {
    world: World,
    token: String,
    _demo: DropGuard,
    _listing: Listing,
}

impl Restricted {
    async fn start(permissions: Permissions) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let stop = CancellationToken::new();
        let serving = gantz_agent::demo::serve(listener, stop.clone());
        tokio::spawn(async move { serving.await.unwrap() });
        let world = relay().server(echo()).agent_config(|config| config.target = target).start().await;
        let listing = listing(&world);
        let made = world.agent.tokens().add(Spec { permissions, ..Spec::default() }).unwrap();
        within("the new token", world.agent.tokens().is_applied(made.generation)).await;
        let token = made.token.unwrap().reveal().to_owned();
        Self { world, token, _demo: stop.drop_guard(), _listing: listing }
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

/// Has the agent list the tools on `/mcp`, as `gantz run` does.
fn listing(world: &World) -> Listing {
    let agent = &world.agent;
    Listing::start(agent.upstream().clone(), "/mcp".parse().unwrap(), agent.tools().clone(), agent.tokens().clone())
}

/// Waits until the agent has listed the server's tools.
async fn listed(world: &World) {
    let known = async {
        while world.agent.tools().names().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("a list of the tools", known).await;
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
    listed(&restricted.world).await;
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

/// A server with a tool that only reads and one that does not, that also has paths where it repeats what it is sent: in
/// an answer, and in an event of a stream. Counts the calls of tools.
fn repeating(calls: &Arc<AtomicUsize>, removes_read_only: &Arc<AtomicUsize>) -> Origin {
    let (calls, removes_read_only) = (calls.clone(), removes_read_only.clone());
    let mcp = move |body: String| async move {
        let asked: Value = serde_json::from_str(&body).unwrap_or_default();
        let result = if asked["method"] == "tools/list" {
            let is_read_only = removes_read_only.load(Ordering::SeqCst) > 0;
            json!({ "tools": [
                { "name": "look", "annotations": { "readOnlyHint": true } },
                { "name": "remove", "annotations": { "readOnlyHint": is_read_only } },
            ] })
        } else {
            calls.fetch_add(1, Ordering::SeqCst);
            json!({ "content": [] })
        };
        axum::Json(json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }))
    };
    let repeat = |request: Request| async move {
        let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        ([("content-type", "application/json")], body)
    };
    let repeat_in_event = |RawQuery(query): RawQuery| async move {
        let said = query.unwrap_or_default().replace("%22", "\"").replace("%7B", "{").replace("%7D", "}");
        ([("content-type", "text/event-stream")], format!("data: {said}\n\n"))
    };
    let router = Router::new().route("/mcp", post(mcp)).route("/repeat", any(repeat));
    Origin::axum(router.route("/events", get(repeat_in_event)))
}

#[tokio::test]
async fn nothing_that_passes_for_a_caller_says_which_tools_only_read() {
    let (calls, removes_read_only) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let world = relay().server(repeating(&calls, &removes_read_only)).start().await;
    let _listing = listing(&world);
    let permissions = Permissions { tools: None, read_only: true };
    let made = world.agent.tokens().add(Spec { permissions, ..Spec::default() }).unwrap();
    within("the new token", world.agent.tokens().is_applied(made.generation)).await;
    let token = made.token.unwrap().reveal().to_owned();
    listed(&world).await;
    let post = async |path: &str, body: &Value| {
        let post = world.post(path).bearer_auth(&token).header("content-type", "application/json");
        within("an answer", post.body(body.to_string()).send()).await.unwrap()
    };
    let call = |tool: &str| json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool } });
    assert_eq!(post("/mcp", &call("look")).await.status(), StatusCode::OK);
    assert_forbidden(post("/mcp", &call("remove")).await, "remove").await;
    assert_forbidden(post("/mcp", &call("made-up")).await, "made-up").await;

    let lie = |tool: &str| {
        let tool = json!({ "name": tool, "annotations": { "readOnlyHint": true } });
        json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": [tool] } })
    };
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    for tool in ["remove", "made-up"] {
        for body in [lie(tool), json!([list, lie(tool)]), json!([lie(tool), list])] {
            assert_eq!(post("/repeat", &body).await.status(), StatusCode::OK, "{body}");
        }
        let query = lie(tool).to_string().replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
        let events = world.get(&format!("/events?{query}")).bearer_auth(&token).send().await.unwrap();
        assert!(events.text().await.unwrap().contains(r#""readOnlyHint":true"#));
        assert_forbidden(post("/mcp", &call(tool)).await, tool).await;
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);

    // What a caller says that looks like the server's word only makes the agent ask for that.
    removes_read_only.store(1, Ordering::SeqCst);
    let changed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    let heard = async {
        while world.agent.tools().read_only("remove") != Some(true) {
            post("/repeat", &changed).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("another list", heard).await;
    assert_eq!(post("/mcp", &call("remove")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_name_that_the_body_does_not_say_is_refused_for_every_token() {
    let restricted = Restricted::start(some()).await;
    let list = request("tools/list", json!({})).to_string();
    let call = request("tools/call", json!({ "name": "echo", "arguments": { "message": "hi" } })).to_string();
    let free = restricted.world.token.clone();
    for token in [&restricted.token, &free] {
        for (fields, body, is_refused) in [
            (&[("mcp-method", "tools/list"), ("mcp-name", "now")][..], &list, true),
            (&[("mcp-method", "tools/list")], &call, true),
            (&[("mcp-method", "tools/call"), ("mcp-name", "now")], &call, true),
            (&[("mcp-method", "tools/call"), ("mcp-name", "echo")], &call, false),
            (&[("mcp-method", "tools/list")], &list, false),
        ] {
            let post = restricted.world.post("/mcp").bearer_auth(token).header("mcp-protocol-version", "2026-07-28");
            let post = post.header("content-type", "application/json");
            let post = post.header("accept", "application/json, text/event-stream").body(body.clone());
            let post = fields.iter().fold(post, |post, (name, value)| post.header(*name, *value));
            let answer = within("an answer", post.send()).await.unwrap();
            let code = answer.headers().get("gantz-error").map(|code| code.to_str().unwrap().to_owned());
            assert_eq!(code.as_deref(), is_refused.then_some("header_mismatch"), "{fields:?} {body}");
        }
    }
    // What is no JSON is the local server's to refuse, or not.
    let post = restricted.world.post("/mcp").bearer_auth(&free).header("mcp-name", "now").body("no JSON");
    assert!(!post.send().await.unwrap().headers().contains_key("gantz-error"));
}
