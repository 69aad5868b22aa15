//! The load: a closed loop, each connection sending its next request when it has the whole answer to the last, or so many
//! requests a second.
//!
//! On stdout it says `begin` when everything is connected and warm, and then, as one JSON object, what came of it. What
//! is between the two lines is what its parent measures of every process; it ends with its stdin, when that is done.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use gantz_tests::bench::closed::{self, Caller};
use gantz_tests::bench::durations::summary;
use gantz_tests::bench::paced;
use http::Method;
use serde_json::json;

use crate::client::{Client, Connection, Target};
use crate::events;
use crate::payload::{Payload, SMALL};

/// A small MCP call.
const CALL: &[u8] =
    br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello, world"}}}"#;

/// Requests a second of [`Work::Paced`]: all rows have processors left with so many.
const RATE: u32 = 2000;

/// What the load does and where. Whoever starts it is [`crate::cases`].
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[arg(long, value_enum)]
    pub(crate) work: Work,
    /// Of events: how many streams.
    #[arg(long)]
    pub(crate) connections: usize,
    /// Of requests and events: how long they are counted; a quarter of it is spent beforehand, to warm up.
    #[arg(long)]
    pub(crate) millis: u64,
    /// Of a download or an upload: its length.
    #[arg(long)]
    pub(crate) bytes: u64,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// A small answer.
    Get,
    /// As `Get`, [`RATE`] of them a second.
    Paced,
    /// A small answer to a small body.
    Post,
    /// As `Get`, each on a connection of its own.
    Connect,
    /// A long answer.
    Down,
    /// A long body.
    Up,
    /// Answers that do not end.
    Events,
}

/// Does what `args` say.
pub(crate) async fn run(args: &LoadArgs) {
    let client = Arc::new(Client::new(&args.target));
    // Streams stay open until the parent has seen what they hold.
    let mut _open = Vec::new();
    match args.work {
        Work::Get | Work::Paced | Work::Post | Work::Connect => requests(client, args).await,
        Work::Down | Work::Up => bulk(&client, args).await,
        Work::Events => _open = events::run(&client, args.connections, Duration::from_millis(args.millis)).await,
    }
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

async fn requests(client: Arc<Client>, args: &LoadArgs) {
    let ready = client.connections(args.connections).await;
    let work = args.work;
    let callers =
        ready.into_iter().map(|connection| Small { client: client.clone(), connection, work }).collect::<Vec<_>>();
    let time = Duration::from_millis(args.millis);
    let begun = || say("begin");
    let (took, time) = if work == Work::Paced {
        let every = Duration::from_secs(1) * callers.len() as u32 / RATE;
        paced::run(callers, every, time, begun).await
    } else {
        (closed::run(callers, time, begun).await, time)
    };
    say(&summary(took, time).to_string());
}

/// One of the connections, with requests that are small.
struct Small {
    client: Arc<Client>,
    connection: Connection,
    work: Work,
}

impl Caller for Small {
    async fn call(&mut self) {
        if self.work == Work::Connect {
            self.connection = self.client.connect().await;
        }
        let (method, body) = match self.work {
            Work::Post => (Method::POST, Payload::bytes(Bytes::from_static(CALL))),
            _ => (Method::GET, Payload::zeros(0)),
        };
        let length = self.client.call(&mut self.connection, method, "/mcp", body).await;
        assert_eq!(length, SMALL as u64, "another answer than the local server's");
    }
}

async fn bulk(client: &Client, args: &LoadArgs) {
    let mut connection = client.connect().await;
    client.call(&mut connection, Method::GET, "/mcp", Payload::zeros(0)).await;
    let (method, path, length) = match args.work {
        Work::Up => (Method::POST, "/up".to_owned(), args.bytes),
        _ => (Method::GET, format!("/down/{}", args.bytes), 0),
    };
    say("begin");
    let begin = Instant::now();
    let came = client.call(&mut connection, method, &path, Payload::zeros(length)).await;
    let seconds = begin.elapsed().as_secs_f64();
    assert_eq!(came, if args.work == Work::Up { SMALL as u64 } else { args.bytes }, "a body of another length");
    let megabytes = args.bytes as f64 / 1e6;
    say(&json!({ "count": megabytes, "rate": megabytes / seconds }).to_string());
}

/// Tells the parent.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}
