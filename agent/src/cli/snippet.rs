//! Ready-to-paste configurations of the clients that people have.

use std::path::Path;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::args::RunArgs;

/// Longest label of a tunnel's own making, characters.
const MAX_LABEL: usize = 32;

/// A client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
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
    /// The text, with its last line's end. `name` is what the client is to call the server.
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

/// What clients are to call the server, the same run after run: what is pasted a second time is to take the place of the
/// first. `tunnel` is the tunnel's name at the relay, which keeps it for this agent; the one inside this process does not.
pub(super) fn label(args: &RunArgs, tunnel: &str) -> String {
    match &args.name {
        Some(name) => name.clone(),
        None if args.demo == Some(true) => "demo".to_owned(),
        None if args.relay.is_some() => tunnel.to_owned(),
        None => std::env::current_dir().map_or_else(|_| of_folder(Path::new("")), |folder| of_folder(&folder)),
    }
}

/// A label that every client takes: lower-case letters, digits and hyphens, and a letter first.
fn of_folder(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let plain: String = plain.skip_while(|c| !c.is_ascii_alphabetic()).take(MAX_LABEL).collect();
    let plain = plain.trim_end_matches('-');
    if plain.is_empty() { "my-tools".to_owned() } else { plain.to_owned() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_folders_are_what_clients_take() {
        for (folder, label) in [
            ("/home/me/Weather Tools", "weather-tools"),
            ("/srv/2024_notes.d", "notes-d"),
            ("/srv/.tools", "tools"),
            ("/srv/tools…", "tools"),
            ("/", "my-tools"),
            ("/srv/42", "my-tools"),
        ] {
            assert_eq!(of_folder(Path::new(folder)), label);
        }
        assert_eq!(of_folder(Path::new(&"a".repeat(100))).len(), MAX_LABEL);
    }
}
