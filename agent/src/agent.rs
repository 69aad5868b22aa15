//! A running agent: the tunnel, kept open until it is told to stop.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gantz_shared::control::{Secret, Welcome};
use http::{Method, StatusCode};
use rand::RngExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{BACKOFF_FIRST, BACKOFF_MAX, Config};
use crate::permissions::{Room, ToolBook};
use crate::tokens::Book;
use crate::tunnel::{self, Ended, OpenError, Work};
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
    Reconnected(Welcome),
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
    stop: CancellationToken,
    cut: CancellationToken,
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
        let session = tunnel::open(&config, &tokens, config.resume.clone()).await?;
        let welcome = session.welcome().clone();
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let (tools, room) = (Arc::<ToolBook>::default(), Room::default());
        let work = Arc::new(Work {
            upstream: upstream.clone(),
            tokens: tokens.clone(),
            tools: tools.clone(),
            room: room.clone(),
            calls: config.calls.clone(),
            observer,
        });
        let running = tokio::spawn(run(config, session, work, stop.clone(), cut.clone()));
        Ok(Self { welcome, tokens, tools, room, upstream, stop, cut, running })
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
        self.cut.clone()
    }

    /// Lets requests in flight finish for [`crate::config::GRACE`], says goodbye, and ends.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
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

async fn run(
    mut config: Config,
    mut session: tunnel::Session,
    work: Arc<Work>,
    stop: CancellationToken,
    cut: CancellationToken,
) -> Result<(), OpenError> {
    loop {
        // The wish is granted: from here on the ticket brings the name back, and another's claim to it does not stop us.
        config.name = Some(session.welcome().name.to_string());
        let (reason, ticket) = match session.serve(&work, &stop, &cut).await {
            Ended::Stopped => return Ok(()),
            Ended::Replaced => return Err(OpenError::Replaced),
            Ended::Lost { reason, ticket } => (reason, ticket),
        };
        (work.observer)(&Event::Reconnecting { reason });
        let reopened = stop.run_until_cancelled(reopen(&config, &work.tokens, &ticket)).await;
        session = match reopened {
            None => return Ok(()),
            Some(reopened) => reopened?,
        };
        (work.observer)(&Event::Reconnected(session.welcome().clone()));
    }
}

/// Tries until the tunnel is open again, or the relay refuses for good. The pauses grow, and are drawn evenly from
/// nothing to their length, so that the agents of a relay that restarts do not come back all at once.
async fn reopen(config: &Config, tokens: &Book, ticket: &Secret) -> Result<tunnel::Session, OpenError> {
    let mut pause = BACKOFF_FIRST;
    loop {
        let jittered = pause.mul_f64(rand::rng().random::<f64>());
        tokio::time::sleep(jittered).await;
        match tunnel::open(config, tokens, Some(ticket.clone())).await {
            Ok(session) => return Ok(session),
            Err(error) if error.is_final() => return Err(error),
            Err(error) => tracing::debug!(%error, "relay not reached"),
        }
        pause = (pause * 2).min(BACKOFF_MAX);
    }
}
