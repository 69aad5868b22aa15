//! What every scenario carries: 50 streams of numbered events, and a steady load of calls of which half may be made twice
//! and half may not. [`Verdict`] says what has come of them.

mod calls;
mod server;
mod streams;
mod tally;
mod verdict;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gantz_tests::{World, client};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use server::Server;
use tally::Tally;
pub(crate) use verdict::Verdict;

/// Streams of events, half of them over HTTP/1.1 and half over HTTP/2.
pub(crate) const STREAMS: usize = 50;

/// From one call of a kind to the next, whatever has become of those before.
const PACE: Duration = Duration::from_millis(100);

/// No call and no stream is without an answer for so long: longer than a tunnel may be silent, and coming back takes.
const NO_ANSWER: Duration = Duration::from_secs(90);

/// Whom the load calls.
#[derive(Clone)]
pub(crate) struct Aim {
    /// Public origin of the tunnel.
    pub(crate) url: String,
    /// Its host.
    pub(crate) host: String,
    /// What opens it.
    pub(crate) token: String,
    /// Where the relay takes callers.
    pub(crate) edge: SocketAddr,
    /// The certificate authority of the relay, PEM.
    pub(crate) ca: String,
}

impl Aim {
    /// The tunnel of `world`.
    pub(crate) fn of(world: &World) -> Self {
        Self {
            url: world.url.clone(),
            host: world.host.clone(),
            token: world.token.clone(),
            edge: world.relay.edge_addr(),
            ca: world.relay.ca_pem().unwrap().to_owned(),
        }
    }

    /// On connections of its own, speaking this.
    pub(crate) fn client(&self, alpn: &[u8]) -> reqwest::Client {
        reqwest::Client::builder()
            .tls_backend_preconfigured(client::trusting(&self.ca, &[alpn]))
            .resolve(&self.host, self.edge)
            .no_proxy()
            // What was answered is what is looked at, and what was asked once.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .unwrap()
    }
}

/// A load that runs. Dropped, it stops.
pub(crate) struct Load {
    caller: Arc<Caller>,
    server: Arc<Server>,
    streams: JoinSet<()>,
    /// How many events each stream has brought.
    seen: Vec<watch::Receiver<u64>>,
    calls: JoinSet<()>,
    stop: CancellationToken,
}

/// What the tasks of a load share.
struct Caller {
    aim: Aim,
    http1: reqwest::Client,
    http2: reqwest::Client,
    tally: Tally,
}

impl Load {
    /// Begins; when this returns, all of it flows.
    pub(crate) async fn start(aim: Aim, server: &Arc<Server>) -> Self {
        let (http1, http2) = (aim.client(b"http/1.1"), aim.client(b"h2"));
        let caller = Arc::new(Caller { aim, http1, http2, tally: Tally::default() });
        let (mut streams, mut seen) = (JoinSet::new(), Vec::new());
        for number in 0..STREAMS {
            let (count, receiver) = watch::channel(0);
            seen.push(receiver);
            streams.spawn(streams::follow(caller.clone(), server.clone(), number, count));
        }
        let (mut calls, stop) = (JoinSet::new(), CancellationToken::new());
        for kind in [calls::Kind::Read, calls::Kind::Write] {
            calls.spawn(calls::steady(caller.clone(), kind, stop.clone()));
        }
        let load = Self { caller, server: server.clone(), streams, seen, calls, stop };
        load.flows(Duration::from_secs(30)).await;
        load
    }

    /// Waits until every stream brings events that come from now on, and calls of both kinds that begin now are answered
    /// by the server.
    ///
    /// # Panics
    /// Unless that is so `within` this time.
    pub(crate) async fn flows(&self, within: Duration) {
        /// More than can be under way from before.
        const FRESH: u64 = 10;
        let events = futures_util::future::join_all(self.seen.iter().map(|seen| async {
            let mut seen = seen.clone();
            let from = *seen.borrow();
            seen.wait_for(|count| *count >= from + FRESH).await.expect("the stream is followed");
        }));
        let answered = async {
            for kind in [calls::Kind::Read, calls::Kind::Write] {
                while !calls::call(&self.caller, kind).await {
                    tokio::time::sleep(PACE).await;
                }
            }
        };
        let flows = async { tokio::join!(events, answered) };
        if tokio::time::timeout(within, flows).await.is_err() {
            panic!("the load does not flow within {within:?}: {}", self.caller.tally.summary());
        }
    }

    /// Ends it in order, and judges.
    pub(crate) async fn finish(mut self) -> Verdict {
        self.stop.cancel();
        let ended = async {
            while let Some(ended) = self.calls.join_next().await {
                ended.unwrap();
            }
            // Only now: until here the streams were under the same load.
            self.server.end();
            while let Some(ended) = self.streams.join_next().await {
                ended.unwrap();
            }
        };
        if tokio::time::timeout(NO_ANSWER * 2, ended).await.is_err() {
            panic!("the load does not come to its end: {}", self.caller.tally.summary());
        }
        Verdict::of(&self.caller.tally, &self.server)
    }
}
