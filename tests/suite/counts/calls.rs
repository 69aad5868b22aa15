//! What is called: a GET and a small POST, as an MCP client sends them, over and over with the same bytes.

use gantz_tests::{Origin, Raw};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::counted::World;

/// The kinds of requests.
pub(crate) const KINDS: [&str; 2] = ["GET", "POST"];

/// The fields of either.
const FIELDS: &str = "User-Agent: counts/1\r\nAccept: application/json, text/event-stream\r\n\
    Accept-Encoding: gzip, deflate\r\nMcp-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: 0123456789abcdef\r\n";

/// The body of a POST.
const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}"#;

/// What the local server says to everything.
const ANSWER: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hello"}],"isError":false}}"#;

/// A server that answers at once, and the same.
pub(crate) fn server() -> Origin {
    Origin::raw(|mut connection| async move {
        connection.set_nodelay(true).unwrap();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: 0123456789abcdef\r\n\
             Content-Length: {}\r\n\r\n{ANSWER}",
            ANSWER.len()
        );
        let mut request = Vec::new();
        while connection.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
            let end = if request.starts_with(b"POST ") { CALL.as_bytes() } else { b"\r\n\r\n" };
            if request.ends_with(end) {
                request.clear();
                if connection.write_all(answer.as_bytes()).await.is_err() {
                    // The agent has hung up, and whoever waits for this answer says so.
                    return;
                }
            }
        }
    })
}

/// One caller on one connection.
pub(crate) struct Caller {
    connection: Raw,
    /// `Host` and `Authorization`.
    who: String,
}

impl Caller {
    pub(crate) async fn connect(world: &World) -> Self {
        let who = format!("Host: {}\r\nAuthorization: Bearer {}\r\n", world.host, world.token);
        Self { connection: Raw::plain(world.edge).await, who }
    }

    /// Calls so many times, one after the other.
    pub(crate) async fn call(&mut self, kind: &str, times: u32) {
        let body = match kind {
            "POST" => format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{CALL}", CALL.len()),
            _ => "\r\n".to_owned(),
        };
        let request = format!("{kind} /mcp HTTP/1.1\r\n{}{FIELDS}{body}", self.who);
        for _ in 0..times {
            self.connection.send(&request).await;
            let answer = self.connection.until(ANSWER).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        }
    }
}
