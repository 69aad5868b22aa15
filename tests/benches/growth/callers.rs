//! The callers' process: what opens streams, and what the requests come from. It is told which tunnels there are
//! (`tunnels URL…`), and then what [`crate::streams`], [`crate::lanes`] and [`crate::bodies`] do.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use gantz_tests::bench::client::{Client, Connection, Target};
use gantz_tests::canary;
use http::Uri;
use serde_json::json;

use crate::bodies::{self, Way};
use crate::lanes::{self, On};
use crate::role::{commands, say};
use crate::streams::Streams;

#[derive(Debug, Args)]
pub(crate) struct CallerArgs {
    /// Where the relay takes callers
    #[arg(long)]
    edge: SocketAddr,
    /// The authority to believe, where that is over TLS
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Over TLS: all that goes to a tunnel on one HTTP/2 connection, instead of connections of HTTP/1.1
    #[arg(long, requires = "ca")]
    http2: bool,
}

/// A tunnel, as its callers know it.
pub(crate) struct Tunnel {
    pub(crate) client: Arc<Client>,
    /// The connection for all that goes there, where it is HTTP/2.
    shared: Option<Connection>,
}

impl Tunnel {
    async fn new(args: &CallerArgs, url: &str) -> Self {
        let url: Uri = url.parse().unwrap();
        let client = Client::new(&Target {
            address: args.edge,
            authority: url.authority().unwrap().to_string(),
            token: Some(canary::TOKEN.to_owned()),
            ca: args.ca.clone(),
            http2: args.http2,
        });
        let shared = if args.http2 { Some(client.connect().await) } else { None };
        Self { client: Arc::new(client), shared }
    }

    /// One to send a request on.
    pub(crate) async fn connection(&self) -> Connection {
        match self.shared.as_ref().and_then(Connection::shared) {
            Some(shared) => shared,
            None => self.client.connect().await,
        }
    }
}

pub(crate) async fn run(args: &CallerArgs) {
    let mut tunnels: Vec<Tunnel> = Vec::new();
    let mut streams = Streams::default();
    let mut told = commands();
    say(&json!({ "ready": true }));
    while let Some(command) = told.recv().await {
        let words: Vec<&str> = command.split(' ').collect();
        let number = |word: &str| word.parse::<u64>().unwrap();
        let millis = |word: &str| Duration::from_millis(number(word));
        match words[..] {
            ["tunnels", ref urls @ ..] => {
                tunnels.clear();
                for url in urls {
                    tunnels.push(Tunnel::new(args, url).await);
                }
                say(&json!({ "tunnels": tunnels.len() }));
            }
            ["open", count] => say(&streams.open(&tunnels, number(count) as usize).await),
            ["await", event] => say(&streams.heard(number(event)).await),
            ["events", time] => streams.deliver(millis(time)).await,
            ["settle", sent] => say(&streams.settle(number(sent)).await),
            ["requests", count, time] => {
                // Over TLS a connection takes requests for the name of its handshake only.
                let on = if args.ca.is_none() { On::Shared } else { On::Kept };
                say(&lanes::run(&tunnels, number(count) as usize, on, millis(time)).await);
            }
            ["connections", count, time] => {
                say(&lanes::run(&tunnels, number(count) as usize, On::New, millis(time)).await);
            }
            ["down", bytes] => say(&bodies::run(&tunnels, Way::Down, number(bytes)).await),
            ["up", bytes] => say(&bodies::run(&tunnels, Way::Up, number(bytes)).await),
            _ => panic!("{command:?} is no command"),
        }
        let shared = tunnels.iter().filter_map(|tunnel| tunnel.shared.as_ref());
        assert!(shared.into_iter().all(|connection| !connection.is_closed()), "a connection has ended");
    }
}
