//! One connection of the public: TLS, then HTTP/1.1 or HTTP/2 **by ALPN**, each with its deadlines, or an agent that
//! cannot come over UDP. A builder that guesses the version from the first bytes would have no deadline while it guesses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use gantz_transport::runtime::Busy;
use gantz_transport::tcp;
use rustls::server::ClientHello;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::clock::later;
use super::http1::Listener;
use super::interim::Interim;
use super::worker::{Leads, Moved, Step};
use super::{Edge, http1, http2};
use crate::config::NEAR_SEND_BUFFER;
use crate::metrics::{Connected, NoConnection, Protocol};
use crate::tls::{Accepted, Acceptor, Elsewhere};
use crate::tunnels::OverTcp;

/// What a listener's connections speak.
#[derive(Clone)]
pub(crate) enum Transport {
    /// HTTP/1.1 in clear: something in front ends TLS.
    Plain,
    /// HTTP/1.1 or HTTP/2 over TLS.
    Tls(Acceptor),
    /// HTTP/1.1 in clear, only to send callers to HTTPS.
    Redirect,
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

fn prepare(stream: &TcpStream, is_near: bool) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if is_near {
        SockRef::from(stream).set_send_buffer_size(NEAR_SEND_BUFFER)?;
    }
    Ok(())
}

/// A connection that is to be served.
pub(super) enum Come {
    /// It has just been accepted.
    New(TcpStream, Transport),
    /// It was accepted on another worker.
    Moved(Step),
}

/// Serves a connection to its end, or until it is known that another worker is to. Cancel-safe: dropped, it closes.
pub(super) async fn serve(come: Come, peer: SocketAddr, edge: Arc<Edge>, stop: CancellationToken) -> Option<Moved> {
    let (accepted, deadline, busy) = match come {
        Come::New(stream, transport) => {
            let is_near = peer.ip().to_canonical().is_loopback() || edge.is_trusted(peer.ip());
            if let Err(error) = prepare(&stream, is_near) {
                tracing::debug!(%peer, %error, "connection was gone before it began");
                return None;
            }
            match transport {
                Transport::Plain => {
                    let open = edge.metrics.connect(Protocol::Plain);
                    if edge.workers.is_many() {
                        match Box::pin(edge.leads(&stream, &stop)).await {
                            Leads::Here => {}
                            Leads::Nowhere => return None,
                            Leads::To(runtime) => {
                                let step = stream.into_std().map(|stream| Step::Plain(stream, open));
                                return moved(runtime, peer, step);
                            }
                        }
                    }
                    in_clear(stream, peer, edge, stop, Listener::Edge, open).await;
                    return None;
                }
                Transport::Redirect => {
                    let open = edge.metrics.connect(Protocol::Redirect);
                    in_clear(stream, peer, edge, stop, Listener::Redirect, open).await;
                    return None;
                }
                Transport::Tls(acceptor) => {
                    let deadline = later(edge.config.limits.deadlines.handshake);
                    let mut busy = None;
                    let shaking = async {
                        let mut other = |hello: &ClientHello<'_>| edge.other_worker(hello, &mut busy);
                        let elsewhere: Option<Elsewhere<'_>> =
                            if edge.workers.is_many() { Some(&mut other) } else { None };
                        acceptor.accept(stream, elsewhere).await
                    };
                    (Box::pin(shake(shaking, peer, deadline, &edge)).await?, deadline, busy)
                }
            }
        }
        Come::Moved(Step::Plain(stream, open)) => {
            match TcpStream::from_std(stream) {
                Ok(stream) => in_clear(stream, peer, edge, stop, Listener::Edge, open).await,
                Err(error) => tracing::warn!(%peer, %error, "cannot go on with a connection"),
            }
            return None;
        }
        Come::Moved(Step::Shaking(begun, deadline, busy)) => {
            (Box::pin(shake(begun.go_on(), peer, deadline, &edge)).await?, deadline, busy)
        }
    };
    match accepted {
        Accepted::Caller(stream) => secure(stream, peer, edge, stop, busy).await,
        Accepted::Authority => tracing::debug!(peer = %peer.ip(), "a certificate authority was shown its proof"),
        Accepted::Elsewhere(begun, runtime) => return moved(runtime, peer, Ok(Step::Shaking(begun, deadline, busy))),
    }
    None
}

fn moved(runtime: Handle, peer: SocketAddr, step: io::Result<Step>) -> Option<Moved> {
    match step {
        Ok(step) => Some(Moved { runtime, peer, step }),
        Err(error) => {
            tracing::warn!(%peer, %error, "cannot move a connection");
            None
        }
    }
}

/// A handshake, to its end or its deadline.
async fn shake(
    shaking: impl Future<Output = io::Result<Accepted>>,
    peer: SocketAddr,
    deadline: Instant,
    edge: &Edge,
) -> Option<Accepted> {
    match timeout_at(deadline, shaking).await {
        Ok(Ok(accepted)) => Some(accepted),
        Ok(Err(error)) => {
            edge.metrics.connections_refused.of(NoConnection::HandshakeFailed).inc();
            tracing::debug!(peer = %peer.ip(), %error, "TLS handshake failed");
            None
        }
        Err(_) => {
            edge.metrics.connections_refused.of(NoConnection::HandshakeTimeout).inc();
            tracing::debug!(peer = %peer.ip(), "TLS handshake took too long");
            None
        }
    }
}

/// HTTP/1.1 in clear.
async fn in_clear(
    stream: TcpStream,
    peer: SocketAddr,
    edge: Arc<Edge>,
    stop: CancellationToken,
    listener: Listener,
    _open: Connected,
) {
    http1::serve(stream, Peer { address: peer.ip(), sni: None, interim: None }, edge, stop, listener).await;
}

/// What ALPN has agreed on, over TLS.
async fn secure(
    stream: Box<TlsStream<TcpStream>>,
    peer: SocketAddr,
    edge: Arc<Edge>,
    stop: CancellationToken,
    busy: Option<Busy>,
) {
    let session = stream.get_ref().1;
    let sni = session.server_name().map(Arc::from);
    let alpn = session.alpn_protocol();
    if alpn == Some(tcp::ALPN) {
        // From here on it is no connection of the public.
        return edge.agents.enter(OverTcp { stream: *stream, peer, runtime: Handle::current(), busy });
    }
    // Whoever only said it might be an agent is none.
    drop(busy);
    let is_http2 = alpn == Some(b"h2");
    let peer = Peer { address: peer.ip(), sni, interim: None };
    let _open = edge.metrics.connect(if is_http2 { Protocol::Http2 } else { Protocol::Http1 });
    if is_http2 {
        // Boxed: most of what a connection is made of, which those of HTTP/1.1 need not carry.
        Box::pin(http2::serve(stream, peer, edge, stop)).await;
    } else {
        http1::serve(stream, peer, edge, stop, Listener::Edge).await;
    }
}
