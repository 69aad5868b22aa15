//! A running agent: the tunnel, kept open until it is told to stop.

mod keeping;
mod moving;
mod opening;
mod pauses;
mod serving;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gantz_shared::control::Welcome;
use http::{Method, StatusCode};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::opening::Openings;
use crate::config::Config;
use crate::permissions::{Room, ToolBook};
use crate::tokens::Book;
use crate::tunnel::{self, Carried, OpenError, Signs, Work};
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
        let openings = Openings::new();
        let opening = openings.next(config.resume.clone(), false, config.transports);
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
        let running = tokio::spawn(keeping::keep(config, openings, session, work, signs.clone(), carries));
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
