//! HTTP/2 (RFC 9113) on one connection, by h2 itself: hyper's server has no way to send informational answers. A task a
//! stream; all of them end with the connection.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream, SendStream};
use http::header::{self, HeaderValue};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::body::EdgeBody;
use super::connection::Peer;
use super::interim::Interim;
use super::linger::read_over;
use super::{Edge, handle};
use crate::config::{
    H2_CONNECTION_WINDOW, H2_MAX_RESETS, H2_MAX_STREAMS, H2_PING_INTERVAL, H2_PING_TIMEOUT, H2_READER_DEADLINE,
    H2_SEND_BUFFER, H2_STREAM_WINDOW, HEAD_DEADLINE, MAX_REQUEST_HEAD,
};

/// Serves a connection to its end, or gracefully to `stop`.
pub(super) async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    edge: Arc<Edge>,
    stop: CancellationToken,
) {
    let handshake = Builder::new()
        .max_concurrent_streams(H2_MAX_STREAMS)
        .max_header_list_size(MAX_REQUEST_HEAD as u32)
        .initial_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buffer_size(H2_SEND_BUFFER)
        .max_pending_accept_reset_streams(H2_MAX_RESETS)
        .max_concurrent_reset_streams(H2_MAX_RESETS)
        .max_local_error_reset_streams(Some(H2_MAX_RESETS))
        .handshake(io);
    let mut connection = match tokio::time::timeout(HEAD_DEADLINE, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::debug!(peer = %peer.address, %error, "no HTTP/2 connection"),
        Err(_) => return tracing::debug!(peer = %peer.address, "HTTP/2 preface took too long"),
    };
    let mut alive = pin!(keep_alive(connection.ping_pong()));
    let mut stopping = pin!(stop.cancelled());
    let (mut streams, mut is_stopping) = (JoinSet::new(), false);
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    streams.spawn(stream(request, respond, peer.clone(), edge.clone()));
                }
                Some(Err(error)) => return tracing::debug!(peer = %peer.address, %error, "connection ended"),
                None => return,
            },
            Some(_) = streams.join_next() => {}
            () = &mut alive => return tracing::debug!(peer = %peer.address, "no answer to a ping"),
            () = &mut stopping, if !is_stopping => {
                is_stopping = true;
                connection.graceful_shutdown();
            }
        }
    }
}

/// Returns when the peer does not answer a ping in time.
async fn keep_alive(ping_pong: Option<PingPong>) {
    let Some(mut ping_pong) = ping_pong else { return std::future::pending().await };
    loop {
        tokio::time::sleep(H2_PING_INTERVAL).await;
        match tokio::time::timeout(H2_PING_TIMEOUT, ping_pong.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// One request and its answer. A reset by the caller drops whatever is being done, and so cancels it.
async fn stream(request: Request<RecvStream>, respond: SendResponse<Bytes>, peer: Peer, edge: Arc<Edge>) {
    let respond = Arc::new(Mutex::new(respond));
    let peer = Peer { interim: Some(Interim::http2(respond.clone())), ..peer };
    let (unread, rest) = (!request.body().is_end_stream()).then(oneshot::channel).unzip();
    let request = request.map(|stream| RequestBody { stream: Some(stream), unread });
    let mut response = tokio::select! {
        response = handle::handle(request, &edge, &peer) => response,
        _ = poll_fn(|cx| locked(&respond).poll_reset(cx)) => return,
    };
    if !response.headers().contains_key(header::DATE)
        && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now()))
    {
        response.headers_mut().insert(header::DATE, date);
    }
    let (parts, body) = response.into_parts();
    let is_end = body.is_end_stream();
    let sent = locked(&respond).send_response(Response::from_parts(parts, ()), is_end);
    match sent {
        Ok(send) if !is_end => send_body(body, send).await,
        Ok(_) => drop(body),
        Err(error) => return tracing::debug!(peer = %peer.address, %error, "answer not sent"),
    }
    // Dropping what is left of the caller's body resets the stream. RFC 9113 §8.1 allows that, but there are callers
    // that lose the whole answer to a reset that comes while they still send.
    if let Some(rest) = rest
        && let Ok(body) = rest.await
        && !body.is_end_stream()
    {
        read_over(body).await;
    }
}

fn locked(respond: &Mutex<SendResponse<Bytes>>) -> std::sync::MutexGuard<'_, SendResponse<Bytes>> {
    respond.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn send_body(mut body: EdgeBody, mut send: SendStream<Bytes>) {
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            _ = poll_fn(|cx| send.poll_reset(cx)) => return,
        };
        // An error of `send` is a connection or stream that is gone: there is nobody left to answer.
        let sent = match frame {
            None => {
                if let Err(error) = send.send_data(Bytes::new(), true) {
                    tracing::debug!(%error, "end of an answer not sent");
                }
                return;
            }
            // Half an answer is never ended cleanly.
            Some(Err(_)) => return send.send_reset(Reason::INTERNAL_ERROR),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) => {
                    let is_end = body.is_end_stream();
                    match send_data(piece, is_end, &mut send).await {
                        Ok(()) if is_end => return,
                        sent => sent,
                    }
                }
                Err(frame) => match frame.into_trailers() {
                    Ok(trailers) => {
                        // Nothing follows trailers.
                        if let Err(error) = send.send_trailers(trailers) {
                            tracing::debug!(%error, "trailers not sent");
                        }
                        return;
                    }
                    Err(_) => Ok(()),
                },
            },
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Sends one piece as flow control lets it through (RFC 9113 §5.2).
async fn send_data(mut piece: Bytes, is_end: bool, send: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    if piece.is_empty() {
        return if is_end { send.send_data(piece, true) } else { Ok(()) };
    }
    let mut deadline = Instant::now() + H2_READER_DEADLINE;
    while !piece.is_empty() {
        send.reserve_capacity(piece.len());
        let granted = timeout_at(deadline, poll_fn(|cx| send.poll_capacity(cx)));
        let granted = match granted.await {
            Ok(Some(granted)) => granted?,
            Ok(None) => return Err(Reason::CANCEL.into()),
            Err(_) => {
                tracing::debug!("an answer was not read");
                send.send_reset(Reason::CANCEL);
                return Err(Reason::CANCEL.into());
            }
        };
        let part = piece.split_to(granted.min(piece.len()));
        // h2 wakes streams that are granted nothing, too: that is no progress.
        if !part.is_empty() {
            deadline = Instant::now() + H2_READER_DEADLINE;
            let is_last = is_end && piece.is_empty();
            send.send_data(part, is_last)?;
        }
    }
    Ok(())
}

/// A caller's body. Its flow-control credit comes back as it is taken, so that the window bounds what is held.
struct RequestBody {
    /// There until it is dropped.
    stream: Option<RecvStream>,
    /// Where it goes when nobody reads on.
    unread: Option<oneshot::Sender<RequestBody>>,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        if let Some(piece) = ready!(stream.poll_data(cx)) {
            return Poll::Ready(Some(piece.and_then(|piece| {
                stream.flow_control().release_capacity(piece.len())?;
                Ok(Frame::data(piece))
            })));
        }
        Poll::Ready(ready!(stream.poll_trailers(cx))?.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.as_ref().is_none_or(RecvStream::is_end_stream)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let (Some(stream), Some(unread)) = (self.stream.take(), self.unread.take()) {
            // Nobody takes it when the stream is over.
            let _ = unread.send(Self { stream: Some(stream), unread: None });
        }
    }
}
