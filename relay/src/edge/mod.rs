//! The public side: accepts connections, decides where each request goes and whether it may, and answers it.
//!
//! ```text
//! connection ─▶ route ─▶ origin ─▶ credential ─▶ exchange ═▶ tunnel
//!                 │         │          │            │
//!                 └─────────┴── answer ┴────────────┘   (what the edge says itself)
//! ```

mod answer;
mod apex;
mod body;
mod clock;
mod code;
mod connection;
mod cookies;
mod counted;
mod credential;
mod exchange;
mod forwarded;
mod handle;
mod hold;
mod http1;
mod http2;
mod interim;
mod keep_alive;
mod linger;
mod measured;
mod origin;
mod reader;
mod route;
mod upload;
mod worker;

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use gantz_transport::runtime::Crew;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use code::Code;
use connection::Come;
pub(crate) use connection::Transport;
use hold::Holding;
use worker::Moved;

use crate::audit::Log;
use crate::config::{Config, MAX_GUESSERS, MAX_STRANGERS, PublicOrigin};
use crate::directory::Directory;
use crate::metrics::{Metrics, NoConnection};
use crate::rates::{Guesses, PerSource};
use crate::sources::{Place, Sources, TooMany};
use crate::tunnels::Door;

/// What every connection of the public shares.
pub(crate) struct Edge {
    config: Config,
    public: PublicOrigin,
    directory: Arc<dyn Directory>,
    audit: Log,
    /// Connections that may still be accepted.
    connections: Arc<Semaphore>,
    /// Where they come from.
    sources: Sources,
    /// Who has shown wrong tokens.
    guesses: Guesses,
    /// Requests without a token. They are counted apart from wrong ones: clients begin without one, and hosted clients
    /// share addresses, so that many of these are no attack; and they never keep a right token out.
    strangers: PerSource,
    /// Requests that wait for an absent agent.
    holding: Holding,
    /// Where agents go that come over TCP.
    agents: Door,
    /// Over which connections are spread.
    workers: Crew,
    /// Proofs for a certificate authority that comes over plain HTTP.
    proofs: Option<gantz_acme::Http>,
    /// What the relay says on its own name.
    apex: Router,
    /// Where it is counted.
    metrics: Arc<Metrics>,
    /// What outlives its request: upgraded streams, and the reading over of bodies that nobody wanted.
    tasks: TaskTracker,
}

/// The parts of the relay that the edge works with.
pub(crate) struct Around {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) audit: Log,
    /// Where agents go that come over TCP.
    pub(crate) agents: Door,
    /// Over which connections are spread.
    pub(crate) workers: Crew,
    pub(crate) metrics: Arc<Metrics>,
    /// Proofs for a certificate authority that comes over plain HTTP.
    pub(crate) proofs: Option<gantz_acme::Http>,
}

impl Edge {
    pub(crate) fn new(config: Config, public: PublicOrigin, around: Around) -> Arc<Self> {
        let Around { directory, audit, agents, workers, metrics, proofs } = around;
        Arc::new(Self {
            apex: apex::router(&config.domain),
            guesses: Guesses::new(config.rates.guess, MAX_GUESSERS),
            strangers: PerSource::new(config.rates.missing_token, MAX_STRANGERS),
            connections: Arc::new(Semaphore::new(config.limits.connections)),
            sources: Sources::new(config.limits.connections_per_source),
            holding: Holding::new(config.limits.http2.stream_window),
            config,
            agents,
            workers,
            proofs,
            public,
            directory,
            audit,
            metrics,
            tasks: TaskTracker::new(),
        })
    }

    /// A place for a connection from `address`. A proxy brings many callers, and has to limit them itself.
    fn place(&self, address: IpAddr) -> Result<Option<Place>, TooMany> {
        if self.is_trusted(address) {
            return Ok(None);
        }
        self.sources.enter(address).map(Some)
    }

    /// Whether `address` is a proxy's that the operator trusts.
    fn is_trusted(&self, address: IpAddr) -> bool {
        self.config.trusted_proxies.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

/// Serves one listener until `stop`; then waits for its connections to finish, or cuts them at `cut`.
pub(crate) async fn serve(
    listener: TcpListener,
    transport: Transport,
    edge: Arc<Edge>,
    stop: CancellationToken,
    cut: CancellationToken,
) {
    let mut connections = JoinSet::new();
    let attend = |come, peer, kept| attend(come, peer, edge.clone(), stop.clone(), cut.clone(), kept);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &edge.connections) => accepted,
            Some(done) = connections.join_next() => {
                go_on(&mut connections, done, attend);
                continue;
            }
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let Ok(place) = edge.place(peer.ip()) else {
                    edge.metrics.connections_refused.of(NoConnection::PerSource).inc();
                    tracing::debug!(%peer, "too many connections of one source");
                    continue;
                };
                connections.spawn(attend(Come::New(stream, transport.clone()), peer, (permit, place)));
            }
            Err(error) => {
                // Out of file descriptors, usually: without a pause this loop would only burn the CPU that could free
                // some.
                tracing::warn!(%error, "cannot accept a connection");
                let pause = tokio::time::sleep(std::time::Duration::from_millis(100));
                let mut pause = pin!(pause);
                // Those that are on their way to another worker need no new file.
                loop {
                    tokio::select! {
                        () = &mut pause => break,
                        Some(done) = connections.join_next() => go_on(&mut connections, done, attend),
                    }
                }
            }
        }
    }
    drop(listener);
    while let Some(done) = connections.join_next().await {
        go_on(&mut connections, done, attend);
    }
    edge.tasks.close();
    cut.run_until_cancelled(edge.tasks.wait()).await;
}

/// What a connection keeps until its end: its permit, and its place among those of its source.
type Kept = (OwnedSemaphorePermit, Option<Place>);

/// One connection, to its end, to `cut`, or until another worker is to go on with it.
async fn attend(
    come: Come,
    peer: SocketAddr,
    edge: Arc<Edge>,
    stop: CancellationToken,
    cut: CancellationToken,
    kept: Kept,
) -> Option<(Moved, Kept)> {
    // By reference: what `run_until_cancelled` makes of it would have room for two.
    let serving = pin!(connection::serve(come, peer, edge, stop));
    let moved = cut.run_until_cancelled(serving).await.flatten()?;
    Some((moved, kept))
}

/// Where a connection was only looked at, another worker serves it; others are over.
fn go_on<F>(
    connections: &mut JoinSet<Option<(Moved, Kept)>>,
    done: Result<Option<(Moved, Kept)>, JoinError>,
    attend: impl Fn(Come, SocketAddr, Kept) -> F,
) where
    F: Future<Output = Option<(Moved, Kept)>> + Send + 'static,
{
    if let Ok(Some((Moved { runtime, peer, step }, kept))) = done {
        connections.spawn_on(attend(Come::Moved(step), peer, kept), &runtime);
    }
}

/// First the permit, then the connection: over the limit, callers wait in the kernel's backlog.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}
