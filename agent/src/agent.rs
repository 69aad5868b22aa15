//! A running agent: the tunnel, kept open until it is told to stop.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gantz_shared::control::{Secret, Welcome};
use gantz_transport::Connection;
use http::{Method, StatusCode};
use rand::RngExt;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, JoinSet};
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
    /// The tunnel is lost, or nothing gets through it any more; a new one is being opened.
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
        let run = Run::new();
        let opening = run.opening(config.resume.clone(), false, config.transports);
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
        let running = tokio::spawn(serve(config, run, session, work, signs.clone(), carries));
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

/// What comes next for a tunnel that is open.
enum Next {
    Ended(Result<Ended, JoinError>),
    /// Another connection, to move to.
    Session(Box<Result<Session, OpenError>>),
}

/// What all that this agent opens has in common.
struct Run(String);

impl Run {
    fn new() -> Self {
        Self(format!("{:032x}", rand::rng().random::<u128>()))
    }

    fn opening(&self, resume: Option<Secret>, moves: bool, transports: Transports) -> Opening {
        Opening { resume, moves, run: self.0.clone(), transports }
    }
}

/// What is known of the session that serves.
struct Current {
    welcome: watch::Receiver<Welcome>,
    carried: Carried,
    connection: Connection,
    signs: Signs,
    /// Nothing gets through it any more, and that was told.
    is_silent: AtomicBool,
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
    let (connection, is_silent) = (session.connection(), AtomicBool::new(false));
    let current = Current { welcome, carried, connection, signs: signs.clone(), is_silent };
    (current, AbortOnDropHandle::new(tokio::spawn(session.serve(work.clone(), signs))))
}

/// Has let go of a session: it ends when what was begun there has ended.
fn leave(left: &mut JoinSet<()>, current: &Current, mut serving: AbortOnDropHandle<Ended>) {
    let signs = current.signs.clone();
    left.spawn(async move {
        // A relay that leaves closes the connection itself: it may still have requests for it. One that goes on after all,
        // because nothing has taken its place, would keep it for ever.
        let by_relay = signs.leaves_within.get().copied().unwrap_or_default();
        let ended = match tokio::time::timeout(by_relay, &mut serving).await {
            Ok(ended) => ended,
            Err(_) => {
                signs.moved.cancel();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::error!(%error, "the task of a tunnel that was left failed");
        }
    });
}

async fn serve(
    mut config: Config,
    run: Run,
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
        let next = {
            // Not begun again when something ends that the tunnel has left.
            let mut better = pin!(better(&config, &run, &work, &current));
            loop {
                tokio::select! {
                    ended = &mut serving => break Next::Ended(ended),
                    session = &mut better => break Next::Session(Box::new(session)),
                    Some(_) = left.join_next() => {}
                }
            }
        };
        let reason = match next {
            Next::Ended(Ok(Ended::Stopped)) => {
                left.join_all().await;
                return Ok(());
            }
            Next::Ended(Ok(Ended::Replaced)) => return Err(OpenError::Replaced),
            Next::Ended(Ok(Ended::Lost(reason))) => reason,
            // It was aborted with its runtime, or there is a mistake in it.
            Next::Ended(Err(error)) => format!("the tunnel's task failed: {error}"),
            Next::Session(session) => {
                let next = start((*session)?, &work, &signs);
                leave(&mut left, &current, std::mem::replace(&mut serving, next.1));
                let was_silent = current.is_silent.load(Ordering::Relaxed);
                current = next.0;
                carries.send_replace(current.carried.clone());
                let (welcome, carried) = (current.welcome(), current.carried.clone());
                (work.observer)(&if was_silent {
                    Event::Reconnected(welcome, carried)
                } else {
                    Event::Moved(welcome, carried)
                });
                continue;
            }
        };
        if !current.is_silent.load(Ordering::Relaxed) {
            (work.observer)(&Event::Reconnecting { reason });
        }
        // What the tunnel has moved away from may still carry requests.
        let opening = run.opening(Some(current.welcome().resume), !left.is_empty(), config.transports);
        let reopened = signs.stop.run_until_cancelled(reopen(&config, &work.tokens, &current, &opening)).await;
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
/// nothing gets through it any more; or the tunnel goes over TCP, and the network is another, or QUIC gets through again.
/// Cancel-safe.
///
/// # Errors
/// Another agent has the tunnel now.
async fn better(config: &Config, run: &Run, work: &Work, current: &Current) -> Result<Session, OpenError> {
    let is_second_best = current.carried.by == Transport::Tcp && config.transports == Transports::Auto;
    let quic_again = async {
        let mut pauses = Pauses::new(config.quic_again, QUIC_AGAIN_MAX);
        loop {
            tokio::time::sleep(pauses.next()).await;
            if let Some(moved) = move_over(config, run, &work.tokens, current, Transports::Quic).await {
                return moved;
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
            () = silent(&current.connection) => {
                current.is_silent.store(true, Ordering::Relaxed);
                (work.observer)(&Event::Reconnecting { reason: "the relay does not answer".to_owned() });
            }
        }
        let mut pauses = Pauses::new(BACKOFF_FIRST, BACKOFF_MAX);
        loop {
            if let Some(moved) = move_over(config, run, &work.tokens, current, config.transports).await {
                return moved;
            }
            tokio::time::sleep(pauses.next()).await;
        }
    };
    tokio::select! {
        moved = quic_again, if is_second_best => moved,
        moved = elsewhere => moved,
    }
}

/// None where it may come about with another try.
async fn move_over(
    config: &Config,
    run: &Run,
    tokens: &Book,
    current: &Current,
    transports: Transports,
) -> Option<Result<Session, OpenError>> {
    let opening = run.opening(Some(current.welcome().resume), true, transports);
    match tunnel::open(config, tokens, &opening).await {
        Err(error) if !matches!(error, OpenError::Replaced) => {
            tracing::debug!(%error, "not moved");
            None
        }
        opened => Some(opened),
    }
}

/// Tries until the tunnel is open again, or the relay refuses for good.
async fn reopen(config: &Config, tokens: &Book, current: &Current, opening: &Opening) -> Result<Session, OpenError> {
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
        match tunnel::open(config, tokens, opening).await {
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
