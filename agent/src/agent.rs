//! A running agent: the tunnel, kept open until it is told to stop.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gantz_shared::control::Welcome;
use gantz_transport::Connection;
use http::{Method, StatusCode};
use rand::RngExt;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::config::{BACKOFF_FIRST, BACKOFF_MAX, Config, QUIC_AGAIN_MAX, Transports};
use crate::permissions::{Room, ToolBook};
use crate::tokens::Book;
use crate::tunnel::{self, Carried, Ended, OpenError, Opening, Session, Signs, Transport, Whereabouts, Work, silent};
use crate::upstream::Upstream;

/// Hears what happens; called from the agent's runtime, so it must not block.
pub type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

/// What happens after the start.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The tunnel is lost; a new one is being opened.
    Reconnecting {
        /// How the old one ended.
        reason: String,
    },
    /// The tunnel is open again.
    Reconnected(Welcome, Carried),
    /// The tunnel has another connection now; nothing was cut.
    Moved(Welcome, Carried),
    /// The relay has given a newer ticket for the tunnel's name.
    Renewed(Welcome),
    /// A request was answered.
    Request {
        /// Its method.
        method: Method,
        /// Its path, without the query: that may hold secrets.
        path: String,
        /// The local server's status; `None`: there was no answer.
        status: Option<StatusCode>,
        /// From the request's first byte to the answer's last.
        took: Duration,
    },
}

/// A running agent. Dropped without [`shutdown`](Self::shutdown), its tunnel breaks.
pub struct Agent {
    welcome: Welcome,
    tokens: Arc<Book>,
    tools: Arc<ToolBook>,
    room: Room,
    upstream: Arc<Upstream>,
    carried: watch::Receiver<Carried>,
    signs: Signs,
    running: JoinHandle<Result<(), OpenError>>,
}

/// Why an agent did not start.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The local server cannot be called.
    #[error("{0}")]
    Upstream(String),
    /// There is no tunnel.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Agent {
    /// Opens the tunnel; when this returns, callers get through.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start(config: Config, observer: Observer) -> Result<Self, StartError> {
        let tokens = Arc::new(Book::new(config.policy.tokens.clone()));
        Self::start_with(config, tokens, observer).await
    }

    /// As [`start`](Self::start), with these tokens in place of the policy's.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start_with(config: Config, tokens: Arc<Book>, observer: Observer) -> Result<Self, StartError> {
        let upstream = Arc::new(Upstream::new(&config).map_err(StartError::Upstream)?);
        let opening = Opening { resume: config.resume.clone(), moves: false, transports: config.transports };
        let session = tunnel::open(&config, &tokens, &opening).await?;
        let welcome = session.welcome().borrow().clone();
        let (carries, carried) = watch::channel(session.carried().clone());
        let signs = Signs::default();
        let (tools, room) = (Arc::<ToolBook>::default(), Room::default());
        let work = Arc::new(Work {
            upstream: upstream.clone(),
            tokens: tokens.clone(),
            tools: tools.clone(),
            room: room.clone(),
            calls: config.calls.clone(),
            observer,
        });
        let running = tokio::spawn(run(config, session, work, signs.clone(), carries));
        Ok(Self { welcome, tokens, tools, room, upstream, carried, signs, running })
    }

    /// What the relay opened.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// The tunnel's tokens. A change is told to the relay at once, or when the tunnel is open again.
    #[must_use]
    pub fn tokens(&self) -> &Arc<Book> {
        &self.tokens
    }

    /// What is known of the local server's tools.
    #[must_use]
    pub fn tools(&self) -> &Arc<ToolBook> {
        &self.tools
    }

    /// What there is room for of bodies that are held whole.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// The local server.
    #[must_use]
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// What carries the tunnel, now and later.
    #[must_use]
    pub fn carried(&self) -> watch::Receiver<Carried> {
        self.carried.clone()
    }

    /// Waits until the agent ends by itself: the relay refuses to have it back. Cancel-safe.
    ///
    /// # Errors
    /// The refusal.
    pub async fn ended(&mut self) -> Result<(), OpenError> {
        match (&mut self.running).await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(%error, "agent task failed");
                Ok(())
            }
        }
    }

    /// Cancelled, it ends a [`shutdown`](Self::shutdown) at once: requests in flight are cut, and the relay is told.
    #[must_use]
    pub fn cut(&self) -> CancellationToken {
        self.signs.cut.clone()
    }

    /// Lets requests in flight finish for [`crate::config::GRACE`], says goodbye, and ends.
    pub async fn shutdown(mut self) {
        self.signs.stop.cancel();
        if let Err(error) = (&mut self.running).await {
            tracing::error!(%error, "agent task failed");
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("welcome", &self.welcome).finish_non_exhaustive()
    }
}

/// What is known of the session that serves.
struct Current {
    welcome: watch::Receiver<Welcome>,
    carried: Carried,
    connection: Connection,
    signs: Signs,
}

impl Current {
    fn welcome(&self) -> Welcome {
        self.welcome.borrow().clone()
    }
}

/// Lets a session serve; its task ends with it.
fn start(session: Session, work: &Arc<Work>, Signs { stop, cut, .. }: &Signs) -> (Current, AbortOnDropHandle<Ended>) {
    let signs = Signs { stop: stop.clone(), cut: cut.clone(), ..Signs::default() };
    let (welcome, carried) = (session.welcome(), session.carried().clone());
    let current = Current { welcome, carried, connection: session.connection(), signs: signs.clone() };
    (current, AbortOnDropHandle::new(tokio::spawn(session.serve(work.clone(), signs))))
}

async fn run(
    mut config: Config,
    session: Session,
    work: Arc<Work>,
    signs: Signs,
    carries: watch::Sender<Carried>,
) -> Result<(), OpenError> {
    let (mut current, mut serving) = start(session, &work, &signs);
    // What the tunnel has moved away from, and what still runs there.
    let mut left = JoinSet::new();
    loop {
        // The wish is granted: from here on the ticket brings the name back, and another's claim to it does not stop us.
        config.name = Some(current.welcome().name.to_string());
        let reason = tokio::select! {
            ended = &mut serving => match ended {
                Ok(Ended::Stopped) => {
                    left.join_all().await;
                    return Ok(());
                }
                Ok(Ended::Replaced) => return Err(OpenError::Replaced),
                Ok(Ended::Lost(reason)) => reason,
                // It was aborted with its runtime, or there is a mistake in it.
                Err(error) => format!("the tunnel's task failed: {error}"),
            },
            session = better(&config, &work.tokens, &current) => {
                let next = start(session, &work, &signs);
                // A relay that leaves closes the connection itself: it may still have requests for it.
                if !current.signs.leaving.is_cancelled() {
                    current.signs.moved.cancel();
                }
                left.spawn(std::mem::replace(&mut serving, next.1));
                current = next.0;
                carries.send_replace(current.carried.clone());
                (work.observer)(&Event::Moved(current.welcome(), current.carried.clone()));
                continue;
            }
            Some(_) = left.join_next() => continue,
        };
        (work.observer)(&Event::Reconnecting { reason });
        let reopened = signs.stop.run_until_cancelled(reopen(&config, &work.tokens, &current)).await;
        let session = match reopened {
            None => return Ok(()),
            Some(reopened) => reopened?,
        };
        (current, serving) = start(session, &work, &signs);
        carries.send_replace(current.carried.clone());
        (work.observer)(&Event::Reconnected(current.welcome(), current.carried.clone()));
    }
}

/// A connection to move to, once there is a reason for one and it has come about: the relay is going to close this one, or
/// nothing comes of it any more; or the tunnel goes over TCP, and the network is another, or QUIC gets through again.
/// Cancel-safe.
async fn better(config: &Config, tokens: &Book, current: &Current) -> Session {
    let is_second_best = current.carried.by == Transport::Tcp && config.transports == Transports::Auto;
    let quic_again = async {
        let mut pauses = Pauses::new(config.quic_again, QUIC_AGAIN_MAX);
        loop {
            tokio::time::sleep(pauses.next()).await;
            if let Ok(session) = move_over(config, tokens, current, Transports::Quic).await {
                return session;
            }
        }
    };
    let mut whereabouts = Whereabouts::new(current.connection.remote_address());
    let elsewhere = async {
        tokio::select! {
            () = current.signs.leaving.cancelled() => {}
            // It cannot go on from another address; what was begun there may.
            change = whereabouts.changed(), if current.carried.by == Transport::Tcp => {
                tracing::debug!(change, "the tunnel gets another connection");
            }
            () = silent(&current.connection) => tracing::debug!("nothing comes any more: another connection is tried"),
        }
        let mut pauses = Pauses::new(BACKOFF_FIRST, BACKOFF_MAX);
        loop {
            if let Ok(session) = move_over(config, tokens, current, config.transports).await {
                return session;
            }
            tokio::time::sleep(pauses.next()).await;
        }
    };
    tokio::select! {
        session = quic_again, if is_second_best => session,
        session = elsewhere => session,
    }
}

async fn move_over(
    config: &Config,
    tokens: &Book,
    current: &Current,
    transports: Transports,
) -> Result<Session, OpenError> {
    let opening = Opening { resume: Some(current.welcome().resume), moves: true, transports };
    let opened = tunnel::open(config, tokens, &opening).await;
    opened.inspect_err(|error| tracing::debug!(%error, "not moved"))
}

/// Tries until the tunnel is open again, or the relay refuses for good.
async fn reopen(config: &Config, tokens: &Book, current: &Current) -> Result<Session, OpenError> {
    let opening = Opening { resume: Some(current.welcome().resume), moves: false, transports: config.transports };
    let mut pauses = Pauses::new(BACKOFF_FIRST, BACKOFF_MAX);
    let mut whereabouts = Whereabouts::new(current.connection.remote_address());
    loop {
        tokio::select! {
            () = tokio::time::sleep(pauses.next()) => {}
            change = whereabouts.changed() => {
                tracing::debug!(change, "tried at once");
                pauses = Pauses::new(BACKOFF_FIRST, BACKOFF_MAX);
            }
        }
        match tunnel::open(config, tokens, &opening).await {
            Ok(session) => return Ok(session),
            Err(error) if error.is_final() => return Err(error),
            Err(error) => tracing::debug!(%error, "relay not reached"),
        }
    }
}

/// Pauses that grow, each drawn evenly from nothing to its length, so that the agents of a relay that restarts do not come
/// back all at once.
struct Pauses {
    next: Duration,
    most: Duration,
}

impl Pauses {
    fn new(first: Duration, most: Duration) -> Self {
        Self { next: first, most }
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.most);
        pause.mul_f64(rand::rng().random::<f64>())
    }
}
