//! Takes agents' connections in, whatever carries them: permits before work.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gantz_shared::reset::CloseCode;
use gantz_transport::quic::{Incoming, Listener};
use gantz_transport::runtime::{Busy, Crew};
use gantz_transport::{ConnectError, Connection, tcp};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::moves::{Handed, Wish, Wishes};
use super::{Greeter, session};
use crate::listeners::Listening;
use crate::metrics::NoTunnel;
use crate::sources::{Place, Sources};

/// Agents that have come over TCP and wait to be taken in; more are turned away.
const WAITING: usize = 64;

/// An agent that has come over TCP, where the public does, too; TLS has agreed on [`tcp::ALPN`].
pub(crate) struct OverTcp {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) peer: SocketAddr,
    /// What drives its connection.
    pub(crate) runtime: Handle,
    /// Keeps that busy; none where there is only one.
    pub(crate) busy: Option<Busy>,
}

/// Where agents go that have come over TCP.
#[derive(Clone)]
pub(crate) struct Door(mpsc::Sender<OverTcp>);

/// The door, and what is behind it.
pub(crate) fn door() -> (Door, mpsc::Receiver<OverTcp>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Door(sender), receiver)
}

impl Door {
    /// Lets an agent in. It is turned away where too many wait, or where the relay stops.
    pub(crate) fn enter(&self, agent: OverTcp) {
        if let Err(error) = self.0.try_send(agent) {
            tracing::debug!(%error, "agent over TCP turned away");
        }
    }
}

/// The ways in.
pub(crate) struct Ways {
    pub(crate) quic: Listener,
    pub(crate) over_tcp: mpsc::Receiver<OverTcp>,
    /// The way out: to another process.
    pub(crate) moves: Wishes,
    /// Over which tunnels are spread.
    pub(crate) workers: Crew,
    /// Says that agents are taken in.
    pub(crate) listening: Listening,
}

/// Serves agents until `stop`, then tells them, and closes what is left at `cut`.
pub(crate) async fn serve(
    Ways { quic, mut over_tcp, mut moves, workers, listening }: Ways,
    greeter: Arc<Greeter>,
    stop: CancellationToken,
    cut: CancellationToken,
    drain_secs: u64,
) {
    let mut sessions = JoinSet::new();
    let acceptor = Arc::new(tcp::Acceptor::default());
    // Another process serves agents, or is about to.
    let mut is_away = false;
    let hall = Hall {
        shaking: Arc::default(),
        sources: Sources::new(greeter.limits.handshakes),
        greeter,
        stop: stop.clone(),
        drain_secs,
    };
    listening.open();
    loop {
        tokio::select! {
            incoming = quic.accept() => {
                let Some(incoming) = incoming else { break };
                if is_away {
                    incoming.ignore();
                } else if let Some((incoming, place)) = hall.admit(incoming, sessions.len()) {
                    let peer = incoming.remote_address();
                    let worker = workers.least_busy();
                    // Its connection is driven by what it is accepted on.
                    let connecting = hall.receive(incoming.accept(), peer, place, Some(worker.take()));
                    sessions.spawn_on(connecting, worker.runtime());
                }
            }
            Some(OverTcp { stream, peer, runtime, busy }) = over_tcp.recv() => {
                // Who has shaken hands over TCP has its address.
                if !is_away && sessions.len() < hall.greeter.limits.tunnels && let Ok(place) = hall.sources.enter(peer.ip()) {
                    let acceptor = acceptor.clone();
                    let connecting = async move { acceptor.accept(stream, peer).await };
                    sessions.spawn_on(hall.receive(connecting, peer, Some(place), busy), &runtime);
                } else {
                    hall.turn_away();
                }
            }
            Some(_) = sessions.join_next() => {}
            wish = moves.next() => match wish {
                Wish::HandOver(answer) => {
                    let handed = hand_over(&quic, &hall.greeter).await;
                    is_away = handed.is_ok();
                    if answer.send(handed).is_err() {
                        is_away = false;
                        quic.take_back();
                    }
                }
                Wish::TakeBack => {
                    is_away = false;
                    quic.take_back();
                }
            },
            () = stop.cancelled() => break,
        }
    }
    // New agents are turned away from here on: nobody accepts them.
    drop((over_tcp, listening));
    cut.cancelled().await;
    let reason = "the relay is shutting down";
    let (code, acceptor) = (CloseCode::ShuttingDown, acceptor);
    tokio::join!(quic.close(code, reason), acceptor.close(code, reason));
    while sessions.join_next().await.is_some() {}
}

/// Frees the socket, then tells the agents: what they send to it next is the other process's.
async fn hand_over(quic: &Listener, greeter: &Greeter) -> std::io::Result<Handed> {
    let paths = greeter.roster.paths();
    let agents = paths.len();
    let socket = quic.hand_over(paths).await?;
    greeter.roster.dismiss();
    Ok(Handed { socket, agents })
}

/// Where agents are that have not been greeted.
struct Hall {
    greeter: Arc<Greeter>,
    shaking: Arc<AtomicUsize>,
    sources: Sources,
    stop: CancellationToken,
    drain_secs: u64,
}

impl Hall {
    /// Whether an agent may shake hands while there are so many others.
    fn admit(&self, incoming: Incoming, sessions: usize) -> Option<(Incoming, Option<Place>)> {
        let limits = &self.greeter.limits;
        if sessions >= limits.tunnels {
            incoming.refuse();
            self.turn_away();
            return None;
        }
        if !incoming.is_validated() && self.shaking.load(Ordering::Relaxed) >= limits.handshakes {
            incoming.retry();
            return None;
        }
        // An address counts when it is proven: anybody can write another's into a packet.
        let place = incoming.is_validated().then(|| self.sources.enter(incoming.remote_address().ip())).transpose();
        let Ok(place) = place else {
            incoming.refuse();
            self.turn_away();
            return None;
        };
        Some((incoming, place))
    }

    /// Counts one that may not.
    fn turn_away(&self) {
        self.greeter.metrics.tunnels_refused.of(NoTunnel::TurnedAway).inc();
    }

    /// Runs the agent's session; its `place` here is free when it has been greeted.
    fn receive(
        &self,
        connecting: impl Future<Output = Result<Connection, ConnectError>> + Send + 'static,
        peer: SocketAddr,
        place: Option<Place>,
        busy: Option<Busy>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (greeter, stop, shaking) = (self.greeter.clone(), self.stop.clone(), self.shaking.clone());
        let drain_secs = self.drain_secs;
        shaking.fetch_add(1, Ordering::Relaxed);
        // Boxed: it is over soon, and whatever it passes through on its way would have room for it for as long as the tunnel.
        let connecting = Box::pin(connecting);
        async move {
            let greeted = || {
                shaking.fetch_sub(1, Ordering::Relaxed);
                drop(place);
            };
            session::run(connecting, peer, &greeter, &stop, drain_secs, greeted).await;
            drop(busy);
        }
    }
}
