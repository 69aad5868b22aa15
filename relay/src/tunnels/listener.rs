//! Takes agents' connections in: permits before work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gantz_shared::reset::CloseCode;
use gantz_transport::quic::Listener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Greeter, session};
use crate::sources::Sources;

/// Serves agents until `stop`, then tells them, and closes what is left at `cut`.
pub(crate) async fn serve(
    listener: Listener,
    greeter: Arc<Greeter>,
    stop: CancellationToken,
    cut: CancellationToken,
    drain_secs: u64,
) {
    let mut sessions = JoinSet::new();
    let (max_tunnels, max_handshakes) = (greeter.limits.tunnels, greeter.limits.handshakes);
    let shaking = Arc::new(AtomicUsize::new(0));
    let sources = Sources::new(max_handshakes);
    loop {
        let incoming = tokio::select! {
            incoming = listener.accept() => incoming,
            Some(_) = sessions.join_next() => continue,
            () = stop.cancelled() => break,
        };
        let Some(incoming) = incoming else { break };
        if sessions.len() >= max_tunnels {
            incoming.refuse();
            continue;
        }
        if !incoming.is_validated() && shaking.load(Ordering::Relaxed) >= max_handshakes {
            incoming.retry();
            continue;
        }
        // An address counts when it is proven: anybody can write another's into a packet.
        let place = incoming.is_validated().then(|| sources.enter(incoming.remote_address().ip())).transpose();
        let Ok(place) = place else {
            incoming.refuse();
            continue;
        };
        let (greeter, stop, shaking) = (greeter.clone(), stop.clone(), shaking.clone());
        shaking.fetch_add(1, Ordering::Relaxed);
        sessions.spawn(async move {
            session::run(incoming, &greeter, &stop, drain_secs, || {
                shaking.fetch_sub(1, Ordering::Relaxed);
                drop(place);
            })
            .await;
        });
    }
    // New agents are turned away from here on: nobody accepts them.
    cut.cancelled().await;
    listener.close(CloseCode::ShuttingDown, "the relay is shutting down").await;
    while sessions.join_next().await.is_some() {}
}
