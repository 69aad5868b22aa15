//! HTTP/1.1 (RFC 9112) on one connection. hyper parses and writes it; what is not clear, and what does not get on, is
//! kept from it (`io`).
//!
//! ```text
//! caller ─▶ io: intake (head, chunks), deadlines ─▶ hyper ─▶ handle
//!        ◀─ io: interim, unread                  ◀─
//! ```

mod chunks;
mod head;
mod intake;
mod interim;
mod io;
mod shared;

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Request, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use self::head::Bounds;
use self::io::Http1Io;
use self::shared::Answering;
pub(super) use self::shared::Shared;
use super::body::{BodyError, EdgeBody};
use super::connection::Peer;
use super::interim::Interim;
use super::measured::Measured;
use super::{Edge, handle};

/// How long a connection that is idle when the relay stops may still bring a request, whose answer closes it: a caller
/// that sends one just when it is closed would not know whether it was carried out.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// What a listener is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Listener {
    /// Tunnels.
    Edge,
    /// Sends callers to HTTPS.
    Redirect,
}

/// A connection that can end with a reset.
pub(super) trait Reset {
    /// From now on, closing it resets it.
    fn reset_on_close(&self) -> std::io::Result<()>;

    /// Whether the other side has closed it, as far as is known without reading on.
    fn is_hung_up(&self) -> bool;
}

impl Reset for TcpStream {
    fn reset_on_close(&self) -> std::io::Result<()> {
        self.set_zero_linger()
    }

    fn is_hung_up(&self) -> bool {
        self.ready(Interest::READABLE)
            .now_or_never()
            .is_some_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed()))
    }
}

impl Reset for TlsStream<TcpStream> {
    fn reset_on_close(&self) -> std::io::Result<()> {
        self.get_ref().0.set_zero_linger()
    }

    fn is_hung_up(&self) -> bool {
        self.get_ref().0.is_hung_up()
    }
}

impl<T: Reset> Reset for Box<T> {
    fn reset_on_close(&self) -> std::io::Result<()> {
        (**self).reset_on_close()
    }

    fn is_hung_up(&self) -> bool {
        (**self).is_hung_up()
    }
}

/// Serves a connection to its end, or gracefully to `stop`.
pub(super) async fn serve(
    io: impl AsyncRead + AsyncWrite + Reset + Unpin + Send + 'static,
    peer: Peer,
    edge: Arc<Edge>,
    stop: CancellationToken,
    listener: Listener,
) {
    let limits = &edge.config.limits;
    let bounds = Bounds { bytes: limits.head, fields: limits.fields };
    let shared = Arc::new(Shared::new());
    let io = Http1Io::new(io, shared.clone(), bounds, limits.deadlines);
    let address = peer.address;
    let peer = Arc::new(Peer { interim: Some(Interim::Http1(shared.clone())), ..peer });
    let is_http10 = AtomicBool::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        is_http10.store(request.version() < Version::HTTP_11, Ordering::Relaxed);
        let (edge, peer, shared, stop) = (edge.clone(), peer.clone(), shared.clone(), stop.clone());
        let answering = Answering(shared.clone());
        let mut measured = Measured::begin(edge.metrics.clone());
        // Boxed until the answer begins: hyper has room for one for as long as the connection, and an answer may go on for
        // hours.
        Box::pin(async move {
            if let Some(failure) = shared.take_refusal() {
                let mut refusal = failure.answer(&HeaderMap::new());
                refusal.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                measured.answer(&refusal);
                return Ok(refusal.map(|body| Answer { body, _answering: answering, _measured: measured }));
            }
            let mut response = match listener {
                Listener::Edge => handle::handle(request, &edge, &peer, &mut measured).await,
                Listener::Redirect => handle::redirect(&request, &edge),
            };
            if response.status().canonical_reason().is_none() {
                // RFC 9112 §4: a phrase may be empty. hyper's own for a status that it does not know is `<none>`.
                response.extensions_mut().insert(ReasonPhrase::from_static(b""));
            }
            if stop.is_cancelled() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                // hyper takes it as said to itself, too.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            measured.answer(&response);
            shared.begin_answer();
            shared.set_unread(response.body().unread().cloned());
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                shared.set_raw();
            }
            Ok::<_, Infallible>(response.map(|body| Answer { body, _answering: answering, _measured: measured }))
        })
    });
    let connection = http1::Builder::new()
        .max_headers(gantz_shared::limits::MAX_FIELDS)
        .max_header_size(gantz_shared::limits::MAX_HEAD)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => match timeout(LAST_REQUEST, connection.as_mut()).await {
            Ok(result) => result,
            Err(_) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        },
    };
    if let Err(error) = result {
        tracing::debug!(peer = %address, %error, "connection ended");
        // An answer to HTTP/1.0 may end with its connection (RFC 9112 §6.3): a broken one must not look like that.
        if error.is_user() && is_http10.load(Ordering::Relaxed) {
            shared.reset_on_close();
        }
    }
}

/// The body of an answer. Dropped when all of it is written, or nobody wants the rest.
struct Answer {
    body: EdgeBody,
    _answering: Answering,
    _measured: Measured,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
