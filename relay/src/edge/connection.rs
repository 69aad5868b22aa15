//! One connection of the public: TLS, then HTTP/1.1 or HTTP/2 **by ALPN**, each with its deadlines, or an agent that
//! cannot come over UDP. A builder that guesses the version from the first bytes would have no deadline while it guesses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use gantz_transport::tcp;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::http1::Listener;
use super::interim::Interim;
use super::{Edge, http1, http2};
use crate::config::NEAR_SEND_BUFFER;
use crate::metrics::{NoConnection, Protocol};
use crate::tls::{Accepted, Acceptor};
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

/// Serves a connection to its end. Cancel-safe: dropped, it closes.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    transport: Transport,
    edge: Arc<Edge>,
    stop: CancellationToken,
) {
    let is_near = peer.ip().to_canonical().is_loopback() || edge.is_trusted(peer.ip());
    if let Err(error) = prepare(&stream, is_near) {
        tracing::debug!(%peer, %error, "connection was gone before it began");
        return;
    }
    let from = peer;
    let peer = Peer { address: peer.ip(), sni: None, interim: None };
    match transport {
        Transport::Plain => {
            let _open = edge.metrics.connect(Protocol::Plain);
            http1::serve(stream, peer, edge, stop, Listener::Edge).await;
        }
        Transport::Redirect => {
            let _open = edge.metrics.connect(Protocol::Redirect);
            http1::serve(stream, peer, edge, stop, Listener::Redirect).await;
        }
        Transport::Tls(acceptor) => {
            let handshake = tokio::time::timeout(edge.config.limits.deadlines.handshake, acceptor.accept(stream));
            let stream = match handshake.await {
                Ok(Ok(Accepted::Caller(stream))) => stream,
                Ok(Ok(Accepted::Authority)) => {
                    return tracing::debug!(peer = %peer.address, "a certificate authority was shown its proof");
                }
                Ok(Err(error)) => {
                    edge.metrics.connections_refused.of(NoConnection::HandshakeFailed).inc();
                    return tracing::debug!(peer = %peer.address, %error, "TLS handshake failed");
                }
                Err(_) => {
                    edge.metrics.connections_refused.of(NoConnection::HandshakeTimeout).inc();
                    return tracing::debug!(peer = %peer.address, "TLS handshake took too long");
                }
            };
            let session = stream.get_ref().1;
            let sni = session.server_name().map(Arc::from);
            let alpn = session.alpn_protocol();
            if alpn == Some(tcp::ALPN) {
                // From here on it is no connection of the public.
                return edge.agents.enter(OverTcp { stream: *stream, peer: from });
            }
            let is_http2 = alpn == Some(b"h2");
            let peer = Peer { sni, ..peer };
            let _open = edge.metrics.connect(if is_http2 { Protocol::Http2 } else { Protocol::Http1 });
            if is_http2 {
                // Boxed: most of what a connection is made of, which those of HTTP/1.1 need not carry.
                Box::pin(http2::serve(stream, peer, edge, stop)).await;
            } else {
                http1::serve(stream, peer, edge, stop, Listener::Edge).await;
            }
        }
    }
}
