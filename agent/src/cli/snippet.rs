//! Ready-to-paste configurations of the clients that people have.

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::{Value, json};

/// A client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Snippet {
    /// `mcp_servers` of the Messages API
    Anthropic,
    /// `tools` of the Responses API
    Openai,
    /// A command for Claude Code
    ClaudeCode,
    /// `~/.cursor/mcp.json`
    Cursor,
    /// `.vscode/mcp.json`
    Vscode,
    /// A command that asks the server who it is
    Curl,
}

impl Snippet {
    /// The text, with its last line's end.
    pub(super) fn render(self, url: &str, name: &str, token: Option<&str>) -> String {
        let headers = token.map(|token| json!({ "Authorization": format!("Bearer {token}") }));
        let quoted = shell(url);
        match self {
            Self::Anthropic => {
                let mut server = json!({ "type": "url", "url": url, "name": name });
                if let Some(token) = token {
                    server["authorization_token"] = token.into();
                }
                pretty(&json!({ "mcp_servers": [server] }))
            }
            Self::Openai => {
                let mut tool = json!({
                    "type": "mcp", "server_label": name, "server_url": url, "require_approval": "never",
                });
                if let Some(token) = token {
                    tool["authorization"] = token.into();
                }
                pretty(&json!({ "tools": [tool] }))
            }
            Self::ClaudeCode => {
                let transport = if is_sse(url) { "sse" } else { "http" };
                let header =
                    token.map_or_else(String::new, |token| format!(" --header 'Authorization: Bearer {token}'"));
                format!("claude mcp add --transport {transport} {name} {quoted}{header}\n")
            }
            Self::Cursor => pretty(&json!({ "mcpServers": { name: server(url, None, headers) } })),
            Self::Vscode => {
                let kind = if is_sse(url) { "sse" } else { "http" };
                pretty(&json!({ "servers": { name: server(url, Some(kind), headers) } }))
            }
            Self::Curl => {
                let auth = bearer(token);
                if is_sse(url) {
                    return format!("curl -sSN {quoted}{auth} -H 'Accept: text/event-stream'\n");
                }
                // What every era's server answers. A server of 2026-07-28 may only speak without a session; it says so.
                let hello = json!({
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "initialize",
                    "params": {
                        "protocolVersion": "2025-11-25",
                        "capabilities": {},
                        "clientInfo": { "name": "curl", "version": "1" },
                    },
                });
                format!(
                    "curl -sS {quoted}{auth} -H 'Content-Type: application/json' -H 'Accept: application/json, \
                     text/event-stream' -d '{hello}'\n"
                )
            }
        }
    }
}

/// A command that calls a tool of the demo server, without a session (MCP 2026-07-28): the one form in which a single
/// command can do so.
pub(super) fn try_it(url: &str, token: Option<&str>) -> String {
    let call = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "now",
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    format!(
        "curl -sS {}{} -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -H \
         'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: now' -d '{call}'",
        shell(url),
        bearer(token)
    )
}

fn bearer(token: Option<&str>) -> String {
    token.map_or_else(String::new, |token| format!(" -H 'Authorization: Bearer {token}'"))
}

/// `text` as one word of a shell.
fn shell(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-_%@+,=".contains(&byte));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn is_sse(url: &str) -> bool {
    url.split('?').next().is_some_and(|url| url.ends_with("/sse"))
}

fn server(url: &str, kind: Option<&str>, headers: Option<Value>) -> Value {
    let mut server = json!({ "url": url });
    if let Some(kind) = kind {
        server["type"] = kind.into();
    }
    if let Some(headers) = headers {
        server["headers"] = headers;
    }
    server
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
