//! HTTP/2 (RFC 9113) on one connection, by h2 itself: hyper's server has no way to send informational answers. A task a
//! stream; all of them end with the connection.
//!
//! ```text
//! caller ─▶ meter ─▶ h2 ─▶ stream: receive ─▶ handle
//!        ◀─────────── h2 ◀─ stream: send   ◀─
//! ```

mod frame;
mod meter;
mod receive;
mod send;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::header::{self, HeaderValue};
use http::{Request, Response};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::meter::{Meter, Metered};
use self::receive::RequestBody;
use self::send::{Caller, send_body};
use super::answer::Failure;
use super::clock::later;
use super::connection::Peer;
use super::interim::Interim;
use super::linger::read_over;
use super::measured::Measured;
use super::{Edge, handle};
use crate::config::{H2_LINGER, H2_PING_INTERVAL, H2_PING_TIMEOUT, H2_SEND_BUFFER};

/// How long a connection that is closed, for idleness, slowness or for what it costs, may take to hear why.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long a ping that is asked for waits for others that are. The answers to them are frames that bring nothing, of
/// which a caller may send only so many ([`meter`]).
const NUDGE: Duration = Duration::from_millis(50);

/// Serves a connection to its end, or gracefully to `stop`.
pub(super) async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    edge: Arc<Edge>,
    stop: CancellationToken,
) {
    let limits = &edge.config.limits;
    let (io, meter) = Metered::new(io, limits.http2.idle_frames, limits.deadlines.head);
    let handshake = Builder::new()
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
        .initial_window_size(limits.http2.stream_window)
        .initial_connection_window_size(limits.http2.connection_window)
        .max_send_buffer_size(H2_SEND_BUFFER)
        .max_pending_accept_reset_streams(limits.http2.resets)
        .max_concurrent_reset_streams(limits.http2.resets)
        .max_local_error_reset_streams(Some(limits.http2.resets))
        .handshake(io);
    let mut connection = match timeout(limits.deadlines.first_byte, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::debug!(peer = %peer.address, %error, "no HTTP/2 connection"),
        Err(_) => return tracing::debug!(peer = %peer.address, "HTTP/2 preface took too long"),
    };
    let nudge = Arc::new(Notify::new());
    let mut alive = pin!(keep_alive(connection.ping_pong(), &nudge));
    let mut stopping = pin!(stop.cancelled());
    let mut idle = pin!(sleep(limits.deadlines.idle));
    let (mut streams, mut is_stopping, mut is_idle) = (JoinSet::new(), false, false);
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    streams.spawn(stream(request, respond, peer.clone(), edge.clone(), meter.clone(), nudge.clone()));
                }
                Some(Err(error)) => return tracing::debug!(peer = %peer.address, %error, "connection ended"),
                None => return,
            },
            Some(_) = streams.join_next() => {
                if streams.is_empty() {
                    idle.as_mut().reset(later(limits.deadlines.idle));
                }
            }
            () = &mut idle, if streams.is_empty() => {
                if is_idle {
                    return tracing::debug!(peer = %peer.address, "idle for too long");
                }
                // A caller that is there takes the hint; one that is not is not waited for.
                (is_stopping, is_idle) = (true, true);
                connection.graceful_shutdown();
                idle.as_mut().reset(Instant::now() + GOODBYE);
            }
            why = meter.over() => {
                tracing::debug!(peer = %peer.address, "{why}");
                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                // A caller that does not read gets no reason.
                let _ = timeout(GOODBYE, poll_fn(|cx| connection.poll_closed(cx))).await;
                return;
            }
            () = &mut alive => return tracing::debug!(peer = %peer.address, "no answer to a ping"),
            () = &mut stopping, if !is_stopping => {
                is_stopping = true;
                connection.graceful_shutdown();
            }
        }
    }
}

/// Returns when the peer does not answer a ping in time. `nudge` makes one come early.
async fn keep_alive(ping_pong: Option<PingPong>, nudge: &Notify) {
    let Some(mut ping_pong) = ping_pong else { return std::future::pending().await };
    loop {
        if timeout(H2_PING_INTERVAL, nudge.notified()).await.is_ok() {
            sleep(NUDGE).await;
        }
        match timeout(H2_PING_TIMEOUT, ping_pong.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// One request and its answer. A reset by the caller drops whatever is being done, and so cancels it.
async fn stream(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    peer: Peer,
    edge: Arc<Edge>,
    meter: Arc<Meter>,
    nudge: Arc<Notify>,
) {
    let limits = &edge.config.limits;
    let mut measured = Measured::begin(edge.metrics.clone());
    let respond = Arc::new(Mutex::new(respond));
    let peer = Peer { interim: Some(Interim::Http2(respond.clone())), ..peer };
    let (unread, rest) = (!request.body().is_end_stream()).then(oneshot::channel).unzip();
    let request = request.map(|stream| RequestBody::new(stream, unread, limits.deadlines.body));
    let answered = request.body().answered();
    let mut response = tokio::select! {
        // First: a stream that was reset before its turn came is no work, neither here nor at the agent.
        biased;
        _ = poll_fn(|cx| locked(&respond).poll_reset(cx)) => return,
        response = async {
            if request.headers().len() > limits.fields {
                return Failure::HeadTooLarge { bytes: limits.head, fields: limits.fields }.answer(request.headers());
            }
            // Boxed until the answer begins: that is most of what a request needs, and an answer may go on for hours.
            Box::pin(handle::handle(request, &edge, &peer, &mut measured)).await
        } => response,
    };
    if !response.headers().contains_key(header::DATE)
        && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now()))
    {
        response.headers_mut().insert(header::DATE, date);
    }
    answered.store(true, Ordering::Release);
    measured.answer(&response);
    let (parts, body) = response.into_parts();
    let caller = Caller { unread: body.unread().cloned(), patience: limits.deadlines.reader, meter };
    let is_end = body.is_end_stream();
    let sent = locked(&respond).send_response(Response::from_parts(parts, ()), is_end);
    match sent {
        Ok(send) if !is_end => send_body(body, send, &caller).await,
        Ok(_) => drop(body),
        Err(error) => return tracing::debug!(peer = %peer.address, %error, "answer not sent"),
    }
    drop(measured);
    // Dropping what is left of the caller's body resets the stream, with NO_ERROR. RFC 9113 §8.1 has that for telling
    // a caller to stop, but there are some that lose the whole answer to a reset that comes while they still send.
    if let Some(rest) = rest
        && let Ok(body) = rest.await
        && !body.is_end_stream()
    {
        read_over(body, H2_LINGER).await;
        // curl 7.88 has its answer by now and does not look at it before something else comes.
        nudge.notify_one();
    }
}

fn locked(respond: &Mutex<SendResponse<Bytes>>) -> std::sync::MutexGuard<'_, SendResponse<Bytes>> {
    respond.lock().unwrap_or_else(PoisonError::into_inner)
}
