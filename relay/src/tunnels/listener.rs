//! Takes agents' connections in: permits before work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gantz_shared::reset::CloseCode;
use gantz_transport::quic::Listener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Greeter, session};
use crate::config::{MAX_TUNNELS, MAX_UNVALIDATED_HANDSHAKES};

/// Serves agents until `stop`, then tells them, and closes what is left at `cut`.
pub(crate) async fn serve(
    listener: Listener,
    greeter: Arc<Greeter>,
    stop: CancellationToken,
    cut: CancellationToken,
    drain_secs: u64,
) {
    let mut sessions = JoinSet::new();
    let shaking = Arc::new(AtomicUsize::new(0));
    loop {
        let incoming = tokio::select! {
            incoming = listener.accept() => incoming,
            Some(_) = sessions.join_next() => continue,
            () = stop.cancelled() => break,
        };
        let Some(incoming) = incoming else { break };
        if sessions.len() >= MAX_TUNNELS {
            incoming.refuse();
            continue;
        }
        if !incoming.is_validated() && shaking.load(Ordering::Relaxed) >= MAX_UNVALIDATED_HANDSHAKES {
            incoming.retry();
            continue;
        }
        let (greeter, stop, shaking) = (greeter.clone(), stop.clone(), shaking.clone());
        shaking.fetch_add(1, Ordering::Relaxed);
        sessions.spawn(async move {
            session::run(incoming, &greeter, &stop, drain_secs, || {
                shaking.fetch_sub(1, Ordering::Relaxed);
            })
            .await;
        });
    }
    // New agents are turned away from here on: nobody accepts them.
    cut.cancelled().await;
    listener.close(CloseCode::ShuttingDown, "the relay is shutting down").await;
    while sessions.join_next().await.is_some() {}
}
