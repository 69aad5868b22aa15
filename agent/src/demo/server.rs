//! The demo's sockets: accepts connections, answers them from the router, and ends them all before it returns.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{MAX_CONNECTIONS, MAX_HANDLERS};

/// How long answers that are under way may take to end after `shutdown`; then their connections are cut.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// The wait after a failed accept (out of file descriptors, mostly), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Failed accepts in a row after which the listener is given up: 10 s of them.
const MAX_ACCEPT_FAILURES: u32 = 20;

/// Serves the demo on `listener`, which the caller has bound, until `shutdown` is cancelled.
///
/// On shutdown open event streams end cleanly, and it returns when every connection and session is gone: within
/// 4 s, mostly at once. Dropping the future instead cuts the connections and stops the sessions, without waiting.
///
/// # Errors
/// The listener's own, when it fails again and again. What a single connection does is never an error.
pub async fn serve(listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
    run(listener, shutdown, Arc::new(Semaphore::new(MAX_HANDLERS as usize))).await
}

/// [`serve`], with the permits of its handlers in view: all [`MAX_HANDLERS`] are back when none is alive.
pub(super) async fn run(
    listener: TcpListener,
    shutdown: CancellationToken,
    handlers: Arc<Semaphore>,
) -> io::Result<()> {
    let sessions = shutdown.child_token();
    // Sessions outlive connections, in tasks of the SDK: they hang on this token, whichever way this ends.
    let _stop_sessions = sessions.clone().drop_guard();
    let router = super::router(&handlers, &sessions);

    let mut connections = JoinSet::new();
    let served = accept(listener, &mut connections, &router, &sessions).await;

    sessions.cancel();
    let all_gone = async { while connections.join_next().await.is_some() {} };
    if timeout(SHUTDOWN_GRACE, all_gone).await.is_err() {
        tracing::debug!(count = connections.len(), "cutting demo connections that did not end");
        connections.shutdown().await;
    }
    if timeout(SHUTDOWN_GRACE, handlers.acquire_many(MAX_HANDLERS)).await.is_err() {
        tracing::warn!("a demo session did not end");
    }
    served
}

/// Accepts until the shutdown, or until the listener is broken.
async fn accept(
    listener: TcpListener,
    connections: &mut JoinSet<()>,
    router: &Router,
    shutdown: &CancellationToken,
) -> io::Result<()> {
    let mut failures = 0;
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    failures = 0;
                    connections.spawn(answer(stream, router.clone(), shutdown.clone()));
                }
                Err(error) => {
                    failures += 1;
                    if failures >= MAX_ACCEPT_FAILURES {
                        return Err(error);
                    }
                    tracing::debug!(%error, "the demo could not accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// One connection, to its end.
async fn answer(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    // Events are small and each has to leave at once.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY on a demo connection");
    }
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a demo connection ended early");
    }
}
