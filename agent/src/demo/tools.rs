//! What the demo can do: four small tools, each showing one thing about a tunnel.
//!
//! A wrong argument is a *tool* error (the model reads it and tries again), not a protocol error.

use std::{io, sync::Arc, time::Duration};

use jiff::Timestamp;
use rmcp::{
    RoleServer, ServerHandler,
    handler::server::wrapper::Parameters,
    model::ProgressNotificationParam,
    schemars::{self, JsonSchema},
    service::RequestContext,
    tool, tool_handler, tool_router,
};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::MAX_HANDLERS;

/// The tools by name, as the first screen lists them.
pub const TOOLS: [&str; 4] = ["echo", "add", "now", "count"];

/// The highest number `count` counts to. With [`MAX_DELAY_MS`], a call ends within 100 s.
pub const MAX_COUNT: u32 = 100;

/// The longest wait before each number of `count`, in milliseconds.
pub const MAX_DELAY_MS: u32 = 1000;

/// Calls of `count` at a time in one session: the only tool that takes its time.
pub const MAX_COUNTS_AT_ONCE: usize = 16;

const DEFAULT_DELAY_MS: u32 = 200;

/// The MCP server itself: one value a session, or one a call where the protocol has no sessions.
#[derive(Debug)]
pub struct Demo {
    /// Held for as long as the SDK holds the handler: bounds them, and tells [`serve`](super::serve) when the
    /// last one is gone.
    _permit: OwnedSemaphorePermit,
    counts: Semaphore,
}

/// Arguments of `echo`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "schemars")]
struct Echo {
    /// What to send back.
    message: String,
}

/// Arguments of `add`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "schemars")]
struct Add {
    /// One number.
    a: f64,
    /// The other one.
    b: f64,
}

/// Arguments of `count`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "schemars")]
struct Count {
    /// The number to stop at.
    #[schemars(range(min = 1, max = MAX_COUNT))]
    to: u32,
    /// The wait before each number, in milliseconds.
    #[serde(default = "default_delay_ms")]
    #[schemars(range(max = MAX_DELAY_MS))]
    delay_ms: u32,
}

fn default_delay_ms() -> u32 {
    DEFAULT_DELAY_MS
}

#[tool_router(vis = "pub(super)")]
impl Demo {
    /// Takes one of [`MAX_HANDLERS`] permits; an error when none is left.
    pub(super) fn new(handlers: &Arc<Semaphore>) -> io::Result<Self> {
        match Arc::clone(handlers).try_acquire_owned() {
            Ok(permit) => Ok(Self { _permit: permit, counts: Semaphore::new(MAX_COUNTS_AT_ONCE) }),
            Err(_) => Err(io::Error::other(format!(
                "the demo server is at its limit of {MAX_HANDLERS} sessions and calls: try again later"
            ))),
        }
    }

    #[tool(
        description = "Sends the message back.",
        annotations(title = "Echo", read_only_hint = true, open_world_hint = false)
    )]
    fn echo(&self, Parameters(Echo { message }): Parameters<Echo>) -> String {
        message
    }

    #[tool(
        description = "Adds two numbers.",
        annotations(title = "Add", read_only_hint = true, open_world_hint = false)
    )]
    fn add(&self, Parameters(Add { a, b }): Parameters<Add>) -> Result<String, String> {
        let sum = a + b;
        if sum.is_finite() { Ok(sum.to_string()) } else { Err(format!("the sum must stay below {:e}", f64::MAX)) }
    }

    #[tool(
        description = "Tells the date and time of this machine: UTC, RFC 3339, to the millisecond.",
        annotations(title = "Now", read_only_hint = true, open_world_hint = false)
    )]
    fn now(&self) -> String {
        format!("{:.3}", Timestamp::now())
    }

    /// Progress goes out only to a caller that asked for it with a `progressToken`. Stops when the call is
    /// cancelled: by the client's message, by its closing the stream (2026-07-28), or by the server's shutdown.
    #[tool(
        description = "Counts from 1, with a wait before each number and a progress notification at each: \
                       shows that events arrive one by one.",
        annotations(title = "Count", read_only_hint = true, open_world_hint = false)
    )]
    async fn count(
        &self,
        Parameters(Count { to, delay_ms }): Parameters<Count>,
        call: RequestContext<RoleServer>,
    ) -> Result<String, String> {
        if !(1..=MAX_COUNT).contains(&to) {
            return Err(format!("`to` must be from 1 to {MAX_COUNT}; it is {to}"));
        }
        if delay_ms > MAX_DELAY_MS {
            return Err(format!("`delay_ms` must be at most {MAX_DELAY_MS} ms; it is {delay_ms}"));
        }
        let Ok(_permit) = self.counts.try_acquire() else {
            return Err(format!("at most {MAX_COUNTS_AT_ONCE} counts run at a time in a session"));
        };
        let delay = Duration::from_millis(delay_ms.into());
        let token = call.meta.get_progress_token();
        for number in 1..=to {
            tokio::select! {
                () = call.ct.cancelled() => return Err(format!("cancelled before {number}")),
                () = tokio::time::sleep(delay) => {}
            }
            if let Some(token) = token.clone() {
                let progress = ProgressNotificationParam::new(token, number.into())
                    .with_total(to.into())
                    .with_message(format!("{number} of {to}"));
                if call.peer.notify_progress(progress).await.is_err() {
                    return Err(format!("nobody was listening any more at {number}"));
                }
            }
        }
        Ok(format!("counted to {to}"))
    }
}

#[tool_handler(
    name = "gantz-demo",
    instructions = "A demonstration server: echo, add, now, and count, which reports its progress."
)]
impl ServerHandler for Demo {}
