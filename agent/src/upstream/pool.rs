//! Connections to the local server that wait for their next request. There is one server, so there is nothing to look up.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::connector::{Connector, NotConnected};
use super::{MAX_ANSWER_FIELDS, RequestBody};
use crate::config::UPSTREAM_IDLE;

/// See the module's head. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connector: Connector,
    idle: Mutex<Idle>,
}

/// The connections that wait, the one that has waited longest first; or else the calls that wait for one.
#[derive(Debug, Default)]
struct Idle {
    waiting: Vec<(Instant, SendRequest<RequestBody>)>,
    /// The one that came first is served first. Those that have got a new one meanwhile are passed over.
    wanted: VecDeque<oneshot::Sender<SendRequest<RequestBody>>>,
    /// Whether a task looks after those that have waited for too long.
    is_watched: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PoolError {
    /// There is no connection.
    #[error(transparent)]
    NotConnected(#[from] NotConnected),
    /// It broke off, or what came was no answer.
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

impl Pool {
    /// For the server at `authority`.
    pub(super) fn new(scheme: &Scheme, authority: &Authority) -> Result<Self, String> {
        let server = Uri::builder().scheme(scheme.clone()).authority(authority.clone()).path_and_query("/").build();
        let connector = Connector::new(server.map_err(|error| error.to_string())?)?;
        Ok(Self(Arc::new(Shared { connector, idle: Mutex::default() })))
    }

    /// Sends a request on a connection that waits, or on the first one that is to be had: a new one, or one of which
    /// another call has no more need. A connection that turns out to be closed before any byte has left is passed over.
    /// Cancel-safe: dropped, the call ends and its connection closes.
    pub(super) async fn call(&self, mut request: Request<RequestBody>) -> Result<Response<AnswerBody>, PoolError> {
        loop {
            let (sender, was_idle) = match self.0.take() {
                Ok(sender) => (sender, true),
                Err(returned) => Box::pin(self.first(returned)).await?,
            };
            let mut lease = Lease { sender: Some(sender), pool: Arc::downgrade(&self.0) };
            let Some(sender) = &mut lease.sender else { continue };
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(response.map(|incoming| AnswerBody { incoming, lease: Some(lease) })),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if was_idle => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    /// A connection, and whether it has waited for this.
    async fn first(
        &self,
        returned: oneshot::Receiver<SendRequest<RequestBody>>,
    ) -> Result<(SendRequest<RequestBody>, bool), PoolError> {
        let mut connecting = pin!(self.connect());
        tokio::select! {
            biased;
            Ok(sender) = returned => Ok((sender, true)),
            connected = &mut connecting => Ok((connected?, false)),
        }
    }

    async fn connect(&self) -> Result<SendRequest<RequestBody>, PoolError> {
        let io = self.0.connector.connect().await?;
        let (sender, connection) = http1::Builder::new().max_headers(MAX_ANSWER_FIELDS).handshake(io).await?;
        // No block that awaits it: that would have room for two of it.
        tokio::spawn(connection.with_upgrades().map(|ended| {
            if let Err(error) = ended {
                tracing::debug!(%error, "connection to the local server ended");
            }
        }));
        Ok(sender)
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last: those that are not needed get old. Or else a place among those that wait.
    fn take(&self) -> Result<SendRequest<RequestBody>, oneshot::Receiver<SendRequest<RequestBody>>> {
        let mut idle = self.idle();
        while let Some((since, sender)) = idle.waiting.pop() {
            if sender.is_ready() && since.elapsed() < UPSTREAM_IDLE {
                return Ok(sender);
            }
        }
        while idle.wanted.front().is_some_and(oneshot::Sender::is_closed) {
            idle.wanted.pop_front();
        }
        let (wanted, returned) = oneshot::channel();
        idle.wanted.push_back(wanted);
        Err(returned)
    }

    fn put(self: &Arc<Self>, mut sender: SendRequest<RequestBody>) {
        let mut idle = self.idle();
        while let Some(wanted) = idle.wanted.pop_front() {
            match wanted.send(sender) {
                Ok(()) => return,
                Err(unwanted) => sender = unwanted,
            }
        }
        let now = Instant::now();
        idle.waiting.push((now, sender));
        if !std::mem::replace(&mut idle.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(self), now + UPSTREAM_IDLE));
        }
    }

    /// Closes what has waited for too long, and says when to look again, if anything is left.
    fn close_old(&self) -> Option<Instant> {
        let mut idle = self.idle();
        let now = Instant::now();
        idle.waiting.retain(|(since, sender)| !sender.is_closed() && now - *since < UPSTREAM_IDLE);
        let oldest = idle.waiting.first().map(|(since, _)| *since + UPSTREAM_IDLE);
        idle.is_watched = oldest.is_some();
        oldest
    }
}

/// Ends when nothing waits any more.
async fn watch(pool: Weak<Shared>, mut next: Instant) {
    loop {
        sleep_until(next).await;
        let Some(look_again) = pool.upgrade().and_then(|pool| pool.close_old()) else { return };
        next = look_again;
    }
}

/// A connection on which an answer comes. Dropped, it waits for the next request, unless it is closed.
#[derive(Debug)]
struct Lease {
    /// Taken in the drop only.
    sender: Option<SendRequest<RequestBody>>,
    pool: Weak<Shared>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(mut sender), Some(pool)) = (self.sender.take(), self.pool.upgrade()) else { return };
        if sender.is_ready() {
            pool.put(sender);
        } else if !sender.is_closed() {
            // The answer came before the end of the request, whose rest is still sent; or it was not read to its end, and
            // hyper is going to close.
            tokio::spawn(async move {
                if sender.ready().await.is_ok() {
                    pool.put(sender);
                }
            });
        }
    }
}

/// An answer's body as it comes.
#[derive(Debug)]
pub struct AnswerBody {
    // Dropped first: a body that is not read to its end costs the connection.
    incoming: Incoming,
    /// Until all of it has been read: how long its caller takes over it is nothing to the connection.
    lease: Option<Lease>,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if self.incoming.is_end_stream() || !matches!(frame, Some(Ok(_))) {
            self.lease = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
