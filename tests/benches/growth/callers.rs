//! The callers' process: what opens streams, and what the requests come from. It is told which tunnels there are
//! (`tunnels URL…`), and then what [`crate::streams`] and [`crate::lanes`] do.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use gantz_tests::bench::client::{Client, Connection, Target};
use gantz_tests::canary;
use http::Uri;
use serde_json::json;

use crate::lanes;
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
        let (verb, rest) = command.split_once(' ').expect("a verb and what it is about");
        let number = || rest.parse::<u64>().unwrap();
        match verb {
            "tunnels" => {
                tunnels.clear();
                for url in rest.split(' ') {
                    tunnels.push(Tunnel::new(args, url).await);
                }
                say(&json!({ "tunnels": tunnels.len() }));
            }
            "open" => say(&streams.open(&tunnels, number() as usize).await),
            "await" => say(&streams.heard(number()).await),
            "events" => streams.deliver(Duration::from_millis(number())).await,
            "settle" => say(&streams.settle(number()).await),
            "requests" => say(&lanes::run(&tunnels, args.ca.is_none(), Duration::from_millis(number())).await),
            other => panic!("{other:?} is no command"),
        }
        let shared = tunnels.iter().filter_map(|tunnel| tunnel.shared.as_ref());
        assert!(shared.into_iter().all(|connection| !connection.is_closed()), "a connection has ended");
    }
}
