//! The demo over real sockets: each test starts one on a port of its own, and asserts what a client sees.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail where it stands")]

mod lifetime;
mod limits;
mod sse;
mod streamable;

use std::{io, sync::Arc, time::Duration};

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{MAX_HANDLERS, server};

/// Keeps a broken test from hanging; none waits for the clock.
const PATIENCE: Duration = Duration::from_secs(10);

async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(PATIENCE, event).await.unwrap()
}

/// A demo on a free port.
struct Demo {
    authority: String,
    handlers: Arc<Semaphore>,
    shutdown: CancellationToken,
    serving: JoinSet<io::Result<()>>,
}

impl Demo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let handlers = Arc::new(Semaphore::new(MAX_HANDLERS as usize));
        let shutdown = CancellationToken::new();
        let mut serving = JoinSet::new();
        serving.spawn(server::run(listener, shutdown.clone(), Arc::clone(&handlers)));
        Self { authority, handlers, shutdown, serving }
    }

    /// Sends a request on a connection of its own.
    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
        let stream = TcpStream::connect(&self.authority).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", &self.authority);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let response = soon(sender.send_request(request)).await.unwrap();
        Reply { response, unread: String::new(), _connection: connections }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], "").await
    }

    async fn post(&self, path: &str, message: &Value) -> Reply {
        self.send(Method::POST, path, &[("content-type", "application/json")], message.to_string()).await
    }

    /// Until no handler is alive: every session and every call is over.
    async fn idle(&self) {
        let _all = soon(self.handlers.acquire_many(MAX_HANDLERS)).await.unwrap();
    }

    /// Until `serve` has returned, with what it returned.
    async fn stopped(mut self) -> io::Result<()> {
        self.shutdown.cancel();
        soon(self.serving.join_next()).await.unwrap().unwrap()
    }
}

/// An answer. Dropping it closes its connection, as a client that leaves does.
struct Reply {
    response: Response<Incoming>,
    unread: String,
    _connection: JoinSet<hyper::Result<()>>,
}

impl Reply {
    fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    async fn json(self) -> Value {
        let body = soon(self.response.into_body().collect()).await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    /// The next event of a stream as its name and its data; `None` at a clean end.
    async fn event(&mut self) -> Option<(String, String)> {
        while !self.unread.contains("\n\n") {
            let frame = soon(self.response.body_mut().frame()).await?.unwrap();
            self.unread.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
        let (event, rest) = self.unread.split_once("\n\n").unwrap();
        let field = |name| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        let found = (field("event: "), field("data: "));
        self.unread = rest.to_owned();
        Some(found)
    }

    /// The next JSON-RPC message of a stream.
    async fn message(&mut self) -> Value {
        loop {
            let (_, data) = self.event().await.unwrap();
            // `/mcp` opens a session's streams with an empty event that carries only an id.
            if !data.is_empty() {
                return serde_json::from_str(&data).unwrap();
            }
        }
    }
}

fn initialize(version: &str) -> Value {
    let client = json!({ "name": "test", "version": "0" });
    let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
}

fn initialized() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })
}

/// A tool call with id 1, which asks for progress under the token 7.
fn call(tool: &str, arguments: Value) -> Value {
    let mut message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call" });
    message["params"] = json!({ "name": tool, "_meta": { "progressToken": 7 } });
    message["params"]["arguments"] = arguments;
    message
}

fn text(message: &Value) -> &str {
    message["result"]["content"][0]["text"].as_str().unwrap()
}
