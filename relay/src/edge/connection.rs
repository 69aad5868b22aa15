//! One connection of the public: TLS, then HTTP/1.1 (here) or HTTP/2 (`http2`) **by ALPN**, each with its deadlines. A
//! builder that guesses the version from the first bytes would have none while it guesses.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{self, HeaderValue};
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::body::EdgeBody;
use super::interim::{Interim, InterimIo, Reset};
use super::{Edge, framing, handle, http2};
use crate::config::{HEAD_DEADLINE, MAX_REQUEST_HEAD, TLS_HANDSHAKE_DEADLINE};

/// What a listener's connections speak.
#[derive(Clone)]
pub(crate) enum Transport {
    /// HTTP/1.1 in clear: something in front ends TLS.
    Plain,
    /// HTTP/1.1 or HTTP/2 over TLS.
    Tls(TlsAcceptor),
    /// HTTP/1.1 in clear, only to send callers to HTTPS.
    Redirect,
}

impl Transport {
    pub(crate) fn tls(config: rustls::ServerConfig) -> Self {
        Self::Tls(TlsAcceptor::from(Arc::new(config)))
    }
}

/// What a request needs to know of its connection.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// The name of the TLS handshake.
    pub(super) sni: Option<Arc<str>>,
    /// Where informational answers go, if they can go anywhere.
    pub(super) interim: Option<Interim>,
}

/// Serves a connection to its end. Cancel-safe: dropped, it closes.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    transport: Transport,
    edge: Arc<Edge>,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "connection was gone before it began");
        return;
    }
    let peer = Peer { address: peer.ip(), sni: None, interim: None };
    match transport {
        Transport::Plain => http1(stream, peer, edge, stop, Listener::Edge).await,
        Transport::Redirect => http1(stream, peer, edge, stop, Listener::Redirect).await,
        Transport::Tls(acceptor) => {
            let handshake = tokio::time::timeout(TLS_HANDSHAKE_DEADLINE, acceptor.accept(stream));
            let stream = match handshake.await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(peer = %peer.address, %error, "TLS handshake failed"),
                Err(_) => return tracing::debug!(peer = %peer.address, "TLS handshake took too long"),
            };
            let session = stream.get_ref().1;
            let sni = session.server_name().map(Arc::from);
            let is_http2 = session.alpn_protocol() == Some(b"h2");
            let peer = Peer { sni, ..peer };
            if is_http2 {
                http2::serve(stream, peer, edge, stop).await;
            } else {
                http1(stream, peer, edge, stop, Listener::Edge).await;
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Listener {
    Edge,
    Redirect,
}

async fn http1(
    io: impl AsyncRead + AsyncWrite + Reset + Unpin + Send + 'static,
    peer: Peer,
    edge: Arc<Edge>,
    stop: CancellationToken,
    listener: Listener,
) {
    let (io, queue) = InterimIo::new(io);
    let peer = Arc::new(Peer { interim: Some(Interim::Http1(queue.clone())), ..peer });
    let address = peer.address;
    let is_http10 = AtomicBool::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        is_http10.store(request.version() < Version::HTTP_11, Ordering::Relaxed);
        let (edge, peer) = (edge.clone(), peer.clone());
        async move {
            if let Err(failure) = framing::check(&request) {
                let mut refusal = failure.answer(request.headers());
                refusal.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                return Ok(refusal);
            }
            Ok::<Response<EdgeBody>, Infallible>(match listener {
                Listener::Edge => handle::handle(request, &edge, &peer).await,
                Listener::Redirect => handle::redirect(&request, &edge),
            })
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_headers(gantz_shared::limits::MAX_FIELDS)
        .max_header_size(MAX_REQUEST_HEAD)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(peer = %address, %error, "connection ended");
        // An answer to HTTP/1.0 may end with its connection (RFC 9112 §6.3): a broken one must not look like that.
        if error.is_user() && is_http10.load(Ordering::Relaxed) {
            queue.reset_on_close();
        }
    }
}
