//! What a run prints: two plain lines on stdout that people copy and scripts read, everything else on stderr; or, with
//! `--json`, one object a line on stdout. What holds the token (besides its line, what is asked for to be pasted: `try
//! it` and `--print-config`) is on stdout too: stderr is what ends up in log files.

use std::io::Write;
use std::time::Duration;

use gantz_shared::failure::printable;
use gantz_shared::span::rounded;
use gantz_shared::token::Token;
use serde_json::{Value, json};

use super::snippet::{self, Snippet};
use crate::agent::Event;
use crate::tunnel::{Carried, Transport};

/// See the module's head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    json: bool,
    log_requests: bool,
}

/// What is ready.
#[derive(Debug)]
pub(super) struct Ready<'a> {
    pub(super) url: &'a str,
    pub(super) name: &'a str,
    /// `None`: the tunnel is open to everybody.
    pub(super) token: Option<&'a Token>,
    /// Seconds since 1970 by the relay's clock; `None`: never.
    pub(super) expires_at: Option<u64>,
    pub(super) transport: Transport,
    /// How long that is from now; `None`: for ever.
    pub(super) life: Option<Duration>,
    pub(super) print_config: Option<Snippet>,
    /// What clients are to call it.
    pub(super) label: &'a str,
    /// The local server is the demo.
    pub(super) demo: bool,
}

impl Printer {
    pub(super) fn new(json: bool, log_requests: bool) -> Self {
        Self { json, log_requests }
    }

    /// A line about what is going on.
    pub(super) fn note(self, text: &str) {
        say(&format!("  {}\n", printable(text)));
    }

    /// The tunnel is open and the local server is there.
    pub(super) fn ready(self, ready: &Ready<'_>) {
        if self.json {
            return line(&json!({
                "event": "ready",
                "url": ready.url,
                "token": ready.token.map(Token::reveal),
                "name": ready.name,
                "expires_at": ready.expires_at.map(timestamp),
                "transport": ready.transport.to_string(),
            }));
        }
        say("\n");
        print(&format!("  Tunnel URL:  {}\n", ready.url));
        match ready.token {
            Some(token) => {
                print(&format!("  Auth Token:  {}\n", token.reveal()));
                match ready.life {
                    Some(life) => say(&format!("  Expires:     in {} (gantz token rotate)\n", rounded(life))),
                    None => say("  Expires:     never (--token-ttl sets a time)\n"),
                }
            }
            None => say("  Auth:        none\n"),
        }
        say("\n");
        let token = ready.token.map(Token::reveal);
        if let Some(snippet) = ready.print_config {
            print(&snippet.render(ready.url, ready.label, token));
        } else if ready.demo {
            print(&format!("  try it:  {}\n", snippet::try_it(ready.url, token)));
        } else {
            return;
        }
        say("\n");
    }

    /// Something has happened since.
    ///
    /// `path` is where the local server speaks MCP, once that is known.
    pub(super) fn event(self, event: &Event, path: &str) {
        match event {
            Event::Reconnecting { reason } if self.json => line(&json!({ "event": "reconnecting", "reason": reason })),
            Event::Reconnecting { reason } => self.note(&format!("tunnel lost ({reason}); reconnecting …")),
            Event::Reconnected(welcome, carried) if self.json => line(&json!({
                "event": "reconnected",
                "url": format!("{}{path}", welcome.url),
                "name": welcome.name,
                "transport": carried.by.to_string(),
            })),
            Event::Reconnected(welcome, carried) => {
                self.note(&format!("reconnected: {}{path}", welcome.url));
                self.carried(carried);
            }
            Event::Moved(_, carried) if self.json => {
                line(&json!({ "event": "moved", "transport": carried.by.to_string() }));
            }
            Event::Moved(_, carried) => {
                self.note(&format!("the tunnel has moved, and goes over {carried} now; nothing was cut"));
            }
            Event::Renewed(_) => {}
            Event::Request { .. } if !self.log_requests => {}
            Event::Request { method, path, status, took } if self.json => line(&json!({
                "event": "request",
                "method": method.as_str(),
                "path": path,
                "status": status.map(|status| status.as_u16()),
                "duration_ms": took.as_millis() as u64,
            })),
            Event::Request { method, path, status, took } => {
                let status = status.map_or_else(|| "–".to_owned(), |status| status.as_u16().to_string());
                self.note(&format!("{method} {path} {status} {} ms", took.as_millis()));
            }
        }
    }

    /// What carries the tunnel, where it is not what comes first.
    pub(super) fn carried(self, carried: &Carried) {
        if carried.by == Transport::Tcp {
            self.note(&format!("the tunnel goes over {carried}"));
        }
    }

    /// The run is over.
    pub(super) fn stopped(self) {
        if self.json {
            line(&json!({ "event": "stopped" }));
        } else {
            say("  Goodbye!\n");
        }
    }
}

/// Seconds since 1970 as RFC 3339 has them; null for what no calendar has.
pub(super) fn timestamp(at: u64) -> Value {
    i64::try_from(at)
        .ok()
        .and_then(|at| jiff::Timestamp::from_second(at).ok())
        .map_or(Value::Null, |at| Value::from(at.to_string()))
}

fn line(object: &Value) {
    print(&format!("{object}\n"));
}

/// stdout. A reader that went away does not end the tunnel: what is printed was asked for, the tunnel is the work.
#[allow(clippy::print_stdout)]
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// stderr.
pub(super) fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
