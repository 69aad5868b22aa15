//! The task that drives a connection until it ends.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use h2::{Ping, PingPong};
use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::farewell::Group;
use super::io::Seen;
use super::link::Raw;
use super::recv::Incoming;
use super::state::State;
use super::wire::{self, Turn, Wire};
use super::{Patience, codes};
use crate::Lost;

/// What a connection is driven with.
pub(super) struct Driver<T> {
    pub(super) state: Arc<State>,
    pub(super) wire: Wire<T>,
    pub(super) seen: Arc<Seen<T>>,
    /// The stream that closes the connection; the agent gets it from the relay.
    pub(super) link: Option<Raw>,
    pub(super) streams: mpsc::Sender<Raw>,
    pub(super) control: mpsc::Sender<Raw>,
    pub(super) patience: Patience,
    pub(super) group: Group,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    /// Until the connection has ended, the peer knows, and nobody holds one of its streams.
    pub(super) async fn run(mut self) {
        let lost = self.drive().await;
        self.state.end(lost);
        self.leave().await;
        let Self { state, wire, link, group, .. } = self;
        drop((link, group));
        // Without its connection h2 would forget what has come on the streams, and which of them had ended.
        state.released().await;
        drop(wire);
    }

    async fn drive(&mut self) -> Lost {
        let Self { state, wire, seen, link, streams, control, patience, group, .. } = self;
        let mut alive = std::pin::pin!(keep_alive(wire.ping_pong(), matches!(wire, Wire::Agent(_)), *patience, state));
        let mut silence = std::pin::pin!(state.ear.silence(patience.idle));
        let mut permit = None;
        loop {
            let takes = permit.is_some();
            let turn = tokio::select! {
                biased;
                () = state.ordered() => {
                    if state.lost().is_some() {
                        return Lost::Here;
                    }
                    wire.set_window(state.window());
                    continue;
                }
                (code, reason) = group.closing() => {
                    state.close(code, &reason);
                    return Lost::Here;
                }
                lost = poll_fn(|cx| poll_link(link, cx)) => return lost,
                end = seen.ended() => return Lost::Broken(end),
                () = &mut silence => return Lost::Silent,
                () = &mut alive => continue,
                // At the relay nobody takes any: there are none.
                reserved = streams.reserve(), if !takes && !streams.is_closed() => {
                    permit = reserved.ok();
                    continue;
                }
                turn = poll_fn(|cx| wire.poll(takes, cx)) => turn,
            };
            match turn {
                Turn::Stream(path, raw) => match path.as_str() {
                    wire::STREAM => {
                        if let Some(permit) = permit.take() {
                            permit.send(raw);
                        }
                    }
                    wire::CONTROL => {
                        // A second one is let go of: it is reset.
                        let _ = control.try_send(raw);
                    }
                    _ if link.is_none() => *link = Some(raw),
                    _ => {}
                },
                // The last words have come together with the end.
                Turn::Over(over) => match poll_fn(|cx| Poll::Ready(poll_link(link, cx))).await {
                    Poll::Ready(lost @ Lost::Closed { .. }) => return lost,
                    _ => return broken(over),
                },
            }
        }
    }
}

fn broken(over: Result<(), h2::Error>) -> Lost {
    Lost::Broken(match over {
        Ok(()) => "the peer ended the connection without a word".to_owned(),
        Err(error) => error.to_string(),
    })
}

/// What the peer says on the link: nothing, until it closes the connection.
fn poll_link(link: &mut Option<Raw>, cx: &mut Context<'_>) -> Poll<Lost> {
    let Some((_, incoming)) = link else { return Poll::Pending };
    let trailers = match incoming {
        Incoming::Awaited(response) => match std::pin::Pin::new(response).poll(cx) {
            Poll::Ready(Ok(response)) => {
                *incoming = Incoming::Open(response.into_body());
                return poll_link(link, cx);
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        },
        Incoming::Open(recv) => recv.poll_trailers(cx),
        Incoming::Over => Poll::Pending,
    };
    trailers.map(|trailers: Result<Option<HeaderMap>, h2::Error>| match trailers {
        Ok(trailers) => {
            let (code, reason) = codes::closed(&trailers.unwrap_or_default());
            Lost::Closed { code, reason }
        }
        Err(error) => Lost::Broken(error.to_string()),
    })
}

/// Gives the agent's signs of life and measures how long they take. The relay only answers: h2 reads nothing while it
/// owes an answer that the socket does not take, and two that wait for each other so would wait for ever.
async fn keep_alive(ping_pong: Option<PingPong>, is_agent: bool, patience: Patience, state: &State) {
    let Some(mut ping_pong) = ping_pong.filter(|_| is_agent) else { return std::future::pending().await };
    loop {
        let sent = Instant::now();
        if ping_pong.ping(Ping::opaque()).await.is_err() {
            // The connection is over, and says so itself.
            return std::future::pending().await;
        }
        state.set_rtt(sent.elapsed());
        sleep(patience.keep_alive).await;
    }
}
