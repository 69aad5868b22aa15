//! One open tunnel: takes request streams, and hears what the relay says.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gantz_shared::control::{FromAgent, FromRelay, Welcome};
use gantz_shared::reset::{CloseCode, StreamCode};
use gantz_transport::control::{ControlReceiver, ControlSender, Error};
use gantz_transport::{Connection, Dropped, Lost};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Whereabouts;
use super::connect::{Carried, Dialer};
use super::requests::{Requests, tell};
use crate::agent::{self, Observer};
use crate::calls::Calls;
use crate::config::GRACE;
use crate::permissions::{Room, ToolBook};
use crate::tokens::Book;
use crate::upstream::Upstream;

/// See the module's head.
#[derive(Debug)]
pub struct Session {
    dialer: Dialer,
    connection: Connection,
    carried: Carried,
    sender: ControlSender,
    receiver: ControlReceiver,
    /// With the newest ticket.
    welcome: watch::Sender<Welcome>,
    /// The generation of tokens that the relay was told.
    told: u64,
}

/// What a session works with.
pub struct Work {
    /// The local server.
    pub upstream: Arc<Upstream>,
    /// The tunnel's tokens.
    pub tokens: Arc<Book>,
    /// What is known of the local server's tools.
    pub tools: Arc<ToolBook>,
    /// Room for what is held whole until it is checked.
    pub room: Room,
    /// Where calls are written down.
    pub calls: Calls,
    /// Who hears what happens.
    pub observer: Observer,
}

/// What a session is told, and tells, while it serves.
#[derive(Debug, Clone, Default)]
pub struct Signs {
    /// To it: stop; requests in flight may go on for [`GRACE`].
    pub stop: CancellationToken,
    /// To it: stop at once.
    pub cut: CancellationToken,
    /// To it: the tunnel has another connection now; what was begun here ends here.
    pub moved: CancellationToken,
    /// From it: the relay is going to close the connection, and a new one can be opened.
    pub leaving: CancellationToken,
    /// From it, before that: within what time.
    pub leaves_within: Arc<OnceLock<Duration>>,
}

/// How a tunnel ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// This side said goodbye.
    Stopped,
    /// The connection is lost, or the relay closed it; a new one may go on where it stopped. With what is said
    /// about it.
    Lost(String),
    /// Another agent of the same right has the name now: coming back would only be a fight.
    Replaced,
}

impl Session {
    pub(super) fn new(
        dialer: Dialer,
        connection: Connection,
        carried: Carried,
        (sender, receiver): (ControlSender, ControlReceiver),
        welcome: Welcome,
        told: u64,
    ) -> Self {
        Self { dialer, connection, carried, sender, receiver, welcome: watch::Sender::new(welcome), told }
    }

    /// What carries the tunnel.
    #[must_use]
    pub fn carried(&self) -> &Carried {
        &self.carried
    }

    /// What the relay opened, now and with the tickets that come later.
    #[must_use]
    pub fn welcome(&self) -> watch::Receiver<Welcome> {
        self.welcome.subscribe()
    }

    /// Its connection.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// Serves until the tunnel ends or has to.
    pub async fn serve(mut self, work: Arc<Work>, signs: Signs) -> Ended {
        let Signs { stop, cut, moved, leaving, leaves_within } = &signs;
        let (connection, requests) = (self.connection.clone(), Requests::default());
        // Dropped before the session leaves: it is then another that takes requests, to turn them away.
        let mut accepting = Box::pin(requests.accept(&connection, &work));
        let mut moved_away = pin!(requests.end_after(moved));
        let mut whereabouts = Whereabouts::new(connection.remote_address());
        // Requests come and go without a turn of this loop.
        loop {
            tokio::select! {
                lost = &mut accepting => return Self::ended(&lost),
                message = self.receiver.receive() => match message {
                    Ok(Some(FromRelay::Draining { deadline_secs })) => {
                        tracing::info!(deadline_secs, "the relay is going to restart");
                        let _first = leaves_within.get_or_init(|| Duration::from_secs(deadline_secs));
                        leaving.cancel();
                    }
                    Ok(Some(FromRelay::Ticket { resume })) => {
                        self.welcome.send_modify(|welcome| welcome.resume = resume);
                        // The connection that came after it has a newer one.
                        if !moved.is_cancelled() && !leaving.is_cancelled() {
                            let renewed = agent::Event::Renewed(self.welcome.borrow().clone());
                            (work.observer)(&renewed);
                        }
                    }
                    Ok(Some(FromRelay::TokensApplied { generation, lives })) => work.tokens.applied(generation, &lives),
                    Ok(Some(other)) => tracing::debug!(?other, "unexpected control message"),
                    Ok(None) => return self.violated("the control stream ended"),
                    Err(Error::Read(_)) => return Self::ended(&self.connection.closed().await),
                    Err(error) => return self.violated(&error.to_string()),
                },
                () = work.tokens.untold(self.told) => {
                    let (generation, tokens) = work.tokens.entries();
                    self.told = generation;
                    if let Err(error) = self.sender.send(&FromAgent::SetTokens { generation, tokens }).await {
                        tracing::debug!(%error, "tokens not told");
                        return Self::ended(&self.connection.closed().await);
                    }
                }
                change = whereabouts.changed() => {
                    tracing::debug!(change, "the tunnel goes on from here");
                    self.dialer.rebind();
                }
                () = stop.cancelled() => break,
                () = &mut moved_away => break,
            }
        }
        drop(accepting);
        self.leave(requests.take(), cut).await;
        Ended::Stopped
    }

    /// Turns new requests away, lets those in flight finish, and says goodbye.
    async fn leave(mut self, mut requests: JoinSet<()>, cut: &CancellationToken) {
        let finish = async {
            while !requests.is_empty() {
                tokio::select! {
                    Some(done) = requests.join_next() => tell(done),
                    Ok((mut send, mut recv)) = self.connection.accept(Dropped::UPSTREAM) => {
                        send.reset(StreamCode::Leaving);
                        recv.stop(StreamCode::Leaving);
                    }
                }
            }
        };
        if !matches!(tokio::time::timeout(GRACE, cut.run_until_cancelled(finish)).await, Ok(Some(()))) {
            tracing::info!(cut = requests.len(), "requests in flight are cut");
        }
        // With the goodbye the name is free at once; without it the relay would keep it for a while.
        let goodbye = async {
            self.sender.send(&FromAgent::Goodbye).await?;
            self.sender.finish().await
        };
        if let Some(Ok(Err(error))) = cut.run_until_cancelled(tokio::time::timeout(GRACE, goodbye)).await {
            tracing::debug!(%error, "no goodbye");
        }
        // The relay takes this for a goodbye, too.
        self.connection.close(CloseCode::Done, "goodbye");
        // Behind the close, so that their callers hear of a tunnel that is lost and not of a server that broke off. Waits
        // until they are gone, so that each is in the log of calls.
        requests.shutdown().await;
        self.dialer.wait_idle().await;
    }

    fn violated(&self, why: &str) -> Ended {
        self.connection.close(CloseCode::Protocol, why);
        Ended::Lost(why.to_owned())
    }

    fn ended(lost: &Lost) -> Ended {
        match lost {
            Lost::Closed { code: Some(CloseCode::Replaced), .. } => Ended::Replaced,
            other => Ended::Lost(other.to_string()),
        }
    }
}
