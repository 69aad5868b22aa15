//! The life of one tunnel: handshake, control messages, end.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use gantz_shared::control::{self, FromAgent, FromRelay};
use gantz_shared::limits::HANDSHAKE_DEADLINE;
use gantz_shared::reset::CloseCode;
use gantz_transport::control::{ControlReceiver, ControlSender, Error, channel};
use gantz_transport::{ConnectError, Connection, Dropped, Lost};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Greeter, Tunnel};
use crate::audit::Event;
use crate::config::CLOCK_LOOK;
use crate::directory::Departure;
use crate::metrics::{Closed, NoTunnel};
use crate::sources::Place;

/// Changes of tokens are counted for all tunnels of a source together: each connection is a tunnel of its own.
const ALL_TUNNELS: u64 = 0;

/// Runs one agent's connection from its beginning to its end. `greeted` is called when the handshake is over, however
/// it ended.
pub(super) async fn run(
    connecting: impl Future<Output = Result<Connection, ConnectError>>,
    peer: SocketAddr,
    greeter: &Greeter,
    stop: &CancellationToken,
    drain_secs: u64,
    greeted: impl FnOnce(),
) {
    let deadline = Instant::now() + HANDSHAKE_DEADLINE;
    let session = Box::pin(shake_hands(connecting, peer, greeter, deadline)).await;
    greeted();
    let Some(Session { connection, tunnel, mut sender, mut receiver, place }) = session else {
        tracing::debug!(%peer, "no tunnel came about");
        return;
    };

    greeter.metrics.tunnels_opened.inc();
    let listed = greeter.roster.enter(&tunnel);
    let ended = tokio::select! {
        // First what the agent has said: a goodbye can come together with the connection's end.
        biased;
        ended = converse(greeter, &tunnel, [&listed.leave, stop], (&mut sender, &mut receiver), drain_secs) => ended,
        lost = connection.closed() => Ended::of(&lost),
    };
    // The control stream has told of the end of its connection, and that has told why.
    let ended = match (ended, connection.closed().now_or_never()) {
        (Ended::Away(..), Some(lost)) => Ended::of(&lost),
        (ended, _) => ended,
    };
    match &ended {
        Ended::Goodbye => connection.close(CloseCode::Done, "goodbye"),
        Ended::Protocol(error) => connection.close(CloseCode::Protocol, error),
        Ended::Away(..) | Ended::Stopping => {}
    }
    // Until then its agent was heard: a token that is revoked meanwhile dies at once, as ever.
    let ended = if stop.is_cancelled() { Ended::Stopping } else { ended };
    drop((place, listed));
    greeter.metrics.tunnels_closed.of(ended.reason()).inc();
    greeter.release(&tunnel, if matches!(ended, Ended::Goodbye) { Departure::Goodbye } else { Departure::Away });
    let (name, source) = (tunnel.name().as_str(), tunnel.network());
    greeter.audit.write(&Event::TunnelClosed { name, reason: &ended.to_string(), source });
    tracing::info!(name = %tunnel.name(), reason = %ended, "tunnel closed");
}

/// A tunnel that is open, with its control stream.
struct Session {
    connection: Connection,
    tunnel: Arc<Tunnel>,
    sender: ControlSender,
    receiver: ControlReceiver,
    /// Among the tunnels from its address.
    place: Option<Place>,
}

/// From the beginning to `welcome`, or to the end of the connection.
async fn shake_hands(
    connecting: impl Future<Output = Result<Connection, ConnectError>>,
    peer: SocketAddr,
    greeter: &Greeter,
    deadline: Instant,
) -> Option<Session> {
    let connection = match timeout_at(deadline, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "agent's handshake failed");
            greeter.metrics.tunnels_refused.of(NoTunnel::Handshake).inc();
            return None;
        }
        Err(_) => {
            greeter.metrics.tunnels_refused.of(NoTunnel::Handshake).inc();
            return None;
        }
    };
    let place = greeter.sources.enter(connection.remote_address().ip()).ok();
    let greeting = async {
        let stream = connection.accept(Dropped::CONTROL).await.map_err(gantz_transport::WriteError::from)?;
        let (mut sender, mut receiver) = channel(stream);
        Ok::<_, Error>(match greeter.greet(&connection, place.as_ref(), &mut sender, &mut receiver).await? {
            Some(tunnel) => Some((tunnel, sender, receiver)),
            None => {
                sender.finish().await?;
                None
            }
        })
    };
    let (code, reason) = match timeout_at(deadline, greeting).await {
        Ok(Ok(Some((tunnel, sender, receiver)))) => {
            return Some(Session { connection, tunnel, sender, receiver, place });
        }
        Ok(Ok(None)) => (CloseCode::Refused, "refused".to_owned()),
        Ok(Err(error)) => (CloseCode::Protocol, error.to_string()),
        Err(_) => (CloseCode::HandshakeTimeout, "no hello in time".to_owned()),
    };
    // Who was refused is counted by why.
    if code != CloseCode::Refused {
        greeter.metrics.tunnels_refused.of(NoTunnel::Protocol).inc();
    }
    tracing::info!(%peer, reason, "agent turned away");
    connection.close(code, &reason);
    None
}

/// How a tunnel ended.
#[derive(Debug)]
enum Ended {
    Goodbye,
    Protocol(String),
    Away(Closed, String),
    Stopping,
}

impl Ended {
    /// An agent that had no time for a goodbye may still have closed with one.
    fn of(lost: &Lost) -> Self {
        match lost {
            // Without the word it is only a connection that was dropped: that has the same code.
            Lost::Closed { code: Some(CloseCode::Done), reason } if reason == "goodbye" => Self::Goodbye,
            other => Self::Away(other.into(), other.to_string()),
        }
    }

    /// The control stream broke off.
    fn cut_off(error: &Error) -> Self {
        Self::Away(Closed::Broken, error.to_string())
    }

    /// As it is counted.
    fn reason(&self) -> Closed {
        match self {
            Self::Goodbye => Closed::Goodbye,
            Self::Protocol(_) => Closed::Protocol,
            Self::Away(reason, _) => *reason,
            Self::Stopping => Closed::Shutdown,
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Goodbye => f.write_str("goodbye"),
            Self::Protocol(error) => write!(f, "protocol error: {error}"),
            Self::Away(_, lost) => f.write_str(lost),
            Self::Stopping => f.write_str("relay stops"),
        }
    }
}

async fn converse(
    greeter: &Greeter,
    tunnel: &Tunnel,
    [leave, stop]: [&CancellationToken; 2],
    (sender, receiver): (&mut ControlSender, &mut ControlReceiver),
    drain_secs: u64,
) -> Ended {
    let mut renewed = greeter.tickets.renewed();
    let (mut is_told, mut has_arrived) = (false, false);
    let leaving = async {
        tokio::select! {
            () = leave.cancelled() => {}
            () = stop.cancelled() => {}
        }
    };
    let mut leaving = pin!(leaving);
    loop {
        let message = tokio::select! {
            message = receiver.receive() => message,
            () = mourn(tunnel) => continue,
            () = &mut leaving, if !is_told => {
                is_told = true;
                match sender.send(&FromRelay::Draining { deadline_secs: drain_secs }).await {
                    Ok(()) => continue,
                    Err(error) => return Ended::cut_off(&error),
                }
            }
            // An error would be the end of the relay.
            Ok(()) = renewed.changed() => {
                // Its agent has a newer one by another connection, which this one would be kept in place of.
                if tunnel.is_superseded() {
                    continue;
                }
                let resume = greeter.tickets.issue(&tunnel.title(), tunnel.access_key());
                match sender.send(&FromRelay::Ticket { resume }).await {
                    Ok(()) => continue,
                    Err(error) => return Ended::cut_off(&error),
                }
            }
        };
        let answered = match message {
            Ok(Some(FromAgent::SetTokens { generation, tokens })) => {
                while let Err(wait) = greeter.changes.take(ALL_TUNNELS, tunnel.network()) {
                    tokio::time::sleep(wait).await;
                }
                if let Err(error) = control::check_tokens(&tokens) {
                    return Ended::Protocol(error.to_string());
                }
                let count = tokens.len();
                let lives = tunnel.set_tokens(tokens);
                let (name, source) = (tunnel.name().as_str(), tunnel.network());
                greeter.audit.write(&Event::TokenSet { name, generation, tokens: count, source });
                sender.send(&FromRelay::TokensApplied { generation, lives }).await
            }
            Ok(Some(FromAgent::Arrived)) if has_arrived => return Ended::Protocol("it has arrived already".into()),
            Ok(Some(FromAgent::Arrived)) => {
                has_arrived = true;
                if let Some(before) = greeter.directory.arrived(tunnel) {
                    before.set_superseded();
                }
                continue;
            }
            Ok(Some(FromAgent::Goodbye)) => return Ended::Goodbye,
            Ok(Some(_)) => return Ended::Protocol("hello came twice".into()),
            Ok(None) => return Ended::Protocol("the control stream ended".into()),
            Err(error) => Err(error),
        };
        match answered {
            Ok(()) => {}
            Err(error @ (Error::Read(_) | Error::Write(_))) => return Ended::cut_off(&error),
            Err(error) => return Ended::Protocol(error.to_string()),
        }
    }
}

/// Buries the dead tokens, and waits until it is time to do so again. Cancel-safe.
async fn mourn(tunnel: &Tunnel) {
    match tunnel.bury() {
        // The clock may be set meanwhile: it is looked at from time to time.
        Some(next) => tokio::time::sleep(next.min(CLOCK_LOOK)).await,
        None => std::future::pending().await,
    }
}
