//! QUIC by quinn: endpoints, connections, streams, and the settings that matter (RFC 9000).

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gantz_shared::limits::{
    ALPN, CONNECTION_WINDOW, HANDSHAKE_DEADLINE, IDLE_TIMEOUT, KEEP_ALIVE_INTERVAL, MAX_REQUEST_STREAMS, SEND_WINDOW,
    STREAM_WINDOW,
};
use gantz_shared::reset::{CloseCode, StreamCode};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{TransportConfig, VarInt};
use socket2::{Domain, Protocol, Socket, Type};

/// Bytes of UDP socket buffer that are asked for, each way: a burst of GSO packets must not be dropped by the kernel.
pub const UDP_BUFFER: usize = 4 << 20;

/// What of [`UDP_BUFFER`] is little enough to tell the operator.
const UDP_BUFFER_LITTLE: usize = 1 << 20;

/// Bytes one read takes at most; what lies together is one slice.
const READ_CHUNK: usize = 256 << 10;

/// A UDP socket for an endpoint, with buffers as large as the system gives.
///
/// # Errors
/// What binding reports, such as a port that is taken.
pub fn bind(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // Where it is not possible to hear IPv4 too, hearing IPv6 alone is still what was asked for.
        if let Err(error) = socket.set_only_v6(false) {
            tracing::debug!(%error, "IPv6 socket does not take IPv4");
        }
    }
    socket.bind(&address.into())?;
    for (direction, set, get) in [
        (
            "receive",
            Socket::set_recv_buffer_size as fn(&Socket, usize) -> io::Result<()>,
            Socket::recv_buffer_size as fn(&Socket) -> io::Result<usize>,
        ),
        ("send", Socket::set_send_buffer_size, Socket::send_buffer_size),
    ] {
        set(&socket, UDP_BUFFER)?;
        let given = get(&socket)?;
        if given < UDP_BUFFER_LITTLE {
            tracing::warn!(
                direction,
                given,
                wanted = UDP_BUFFER,
                "small UDP buffer; raise net.core.rmem_max and wmem_max"
            );
        }
    }
    Ok(socket.into())
}

/// The relay's side: waits for agents.
#[derive(Debug)]
pub struct Listener(quinn::Endpoint);

impl Listener {
    /// Listens on `socket` with the certificates of `tls`; the ALPN is set here.
    ///
    /// # Errors
    /// A socket that the runtime does not take; a `tls` that cannot do QUIC (TLS 1.3).
    pub fn new(socket: std::net::UdpSocket, mut tls: rustls::ServerConfig) -> io::Result<Self> {
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // A call that an attacker can replay would be made twice (RFC 9001 §9.2).
        tls.max_early_data_size = 0;
        let crypto = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        let mut transport = transport();
        // The control stream is the only one that an agent opens.
        transport.max_concurrent_bidi_streams(VarInt::from_u32(1));
        config.transport_config(Arc::new(transport)).migration(true);
        let runtime = Arc::new(quinn::TokioRuntime);
        quinn::Endpoint::new(quinn::EndpointConfig::default(), Some(config), socket, runtime).map(Self)
    }

    /// The next agent that knocks. `None` once the listener is closed. Cancel-safe.
    pub async fn accept(&self) -> Option<Incoming> {
        self.0.accept().await.map(Incoming)
    }

    /// Closes every connection and waits until the peers were told, or for three probe timeouts.
    pub async fn close(&self, code: CloseCode, reason: &str) {
        self.0.close(VarInt::from_u32(code.code()), reason.as_bytes());
        self.0.wait_idle().await;
    }

    /// The address that agents reach.
    ///
    /// # Errors
    /// What the socket reports.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// An agent that has sent its first packet.
#[derive(Debug)]
pub struct Incoming(quinn::Incoming);

impl Incoming {
    /// Where the packet came from; proven only when [`is_validated`](Self::is_validated).
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.0.remote_address()
    }

    /// Whether the peer has shown that it receives at its address (RFC 9000 §8.1).
    #[must_use]
    pub fn is_validated(&self) -> bool {
        self.0.remote_address_validated()
    }

    /// Makes the peer prove its address before anything is kept for it (RFC 9000 §8.1.2). A peer that has done so
    /// already is refused instead.
    pub fn retry(self) {
        if let Err(error) = self.0.retry() {
            error.into_incoming().refuse();
        }
    }

    /// Turns the peer away.
    pub fn refuse(self) {
        self.0.refuse();
    }

    /// Completes the QUIC and TLS handshake.
    ///
    /// # Errors
    /// [`ConnectError`]: what the handshake failed with.
    pub async fn accept(self) -> Result<Connection, ConnectError> {
        let connecting = self.0.accept().map_err(ConnectError::from)?;
        Ok(Connection(connecting.await.map_err(ConnectError::from)?))
    }
}

/// The agent's side: opens one connection.
#[derive(Debug)]
pub struct Dialer(quinn::Endpoint);

impl Dialer {
    /// An endpoint on a port that the system chooses, in the address family of `remote`.
    ///
    /// # Errors
    /// What binding reports.
    pub fn new(remote: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = if remote.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        let runtime = Arc::new(quinn::TokioRuntime);
        quinn::Endpoint::new(quinn::EndpointConfig::default(), None, bind(any)?, runtime).map(Self)
    }

    /// Connects to `remote`, whose certificate must be for `server_name`. Done or failed within
    /// [`HANDSHAKE_DEADLINE`].
    ///
    /// # Errors
    /// [`ConnectError`] says what stood in the way.
    pub async fn connect(
        &self,
        remote: SocketAddr,
        server_name: &str,
        mut tls: rustls::ClientConfig,
    ) -> Result<Connection, ConnectError> {
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let crypto = QuicClientConfig::try_from(tls).map_err(|error| ConnectError::Other(error.to_string()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        let mut transport = transport();
        transport.keep_alive_interval(Some(KEEP_ALIVE_INTERVAL));
        transport.max_concurrent_bidi_streams(VarInt::from_u32(MAX_REQUEST_STREAMS));
        config.transport_config(Arc::new(transport));
        let connecting =
            self.0.connect_with(config, remote, server_name).map_err(|error| ConnectError::Other(error.to_string()))?;
        match tokio::time::timeout(HANDSHAKE_DEADLINE, connecting).await {
            Ok(connection) => Ok(Connection(connection.map_err(ConnectError::from)?)),
            Err(_) => Err(ConnectError::Timeout),
        }
    }

    /// Waits until the peers of closed connections were told.
    pub async fn wait_idle(&self) {
        self.0.wait_idle().await;
    }
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_TIMEOUT.as_millis() as u32).into()))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(SEND_WINDOW);
    transport
}

/// Why a connection did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nothing came back.
    #[error("no answer over UDP within {} s", HANDSHAKE_DEADLINE.as_secs())]
    Timeout,
    /// The certificate is not one that this side believes.
    #[error("certificate not accepted: {0}")]
    Certificate(String),
    /// The peer speaks QUIC, but not `gantz/1`.
    #[error("the peer does not speak {}", String::from_utf8_lossy(ALPN))]
    Protocol,
    /// The peer does not take connections now.
    #[error("connection refused by the peer")]
    Refused,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// TLS alert `no_application_protocol` as a QUIC error code (RFC 9001 §4.8, RFC 7301 §3.2).
const NO_APPLICATION_PROTOCOL: u64 = 0x100 + 120;
/// QUIC `CONNECTION_REFUSED` (RFC 9000 §20.1).
const CONNECTION_REFUSED: u64 = 0x2;

impl From<quinn::ConnectionError> for ConnectError {
    fn from(error: quinn::ConnectionError) -> Self {
        use quinn::ConnectionError as E;
        let (code, text) = match &error {
            E::TimedOut => return Self::Timeout,
            E::VersionMismatch => return Self::Protocol,
            E::TransportError(inner) => (u64::from(inner.code), inner.reason.clone()),
            E::ConnectionClosed(frame) => {
                (u64::from(frame.error_code), String::from_utf8_lossy(&frame.reason).into_owned())
            }
            _ => return Self::Other(error.to_string()),
        };
        match code {
            NO_APPLICATION_PROTOCOL => Self::Protocol,
            CONNECTION_REFUSED => Self::Refused,
            0x100..=0x1ff => Self::Certificate(text),
            _ => Self::Other(error.to_string()),
        }
    }
}

/// An open connection. Clones share it; it closes when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Connection(quinn::Connection);

impl Connection {
    /// Opens a bidirectional stream; waits while the peer grants none. Cancel-safe. The halves are reset with
    /// these codes when they are dropped unfinished.
    ///
    /// # Errors
    /// [`Lost`] when the connection is.
    pub async fn open(&self, dropped: Dropped) -> Result<(SendStream, RecvStream), Lost> {
        let (send, recv) = self.0.open_bi().await.map_err(Lost::from)?;
        Ok((SendStream::new(send, dropped.reset), RecvStream::new(recv, dropped.stop)))
    }

    /// The next bidirectional stream that the peer opens. Cancel-safe. As for [`open`](Self::open).
    ///
    /// # Errors
    /// [`Lost`] when the connection is.
    pub async fn accept(&self, dropped: Dropped) -> Result<(SendStream, RecvStream), Lost> {
        let (send, recv) = self.0.accept_bi().await.map_err(Lost::from)?;
        Ok((SendStream::new(send, dropped.reset), RecvStream::new(recv, dropped.stop)))
    }

    /// Closes the connection at once; what is not yet delivered is lost.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.0.close(VarInt::from_u32(code.code()), reason.as_bytes());
    }

    /// Waits until the connection ends. Cancel-safe.
    pub async fn closed(&self) -> Lost {
        Lost::from(self.0.closed().await)
    }

    /// The peer's address now; it changes when the peer moves (RFC 9000 §9).
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.0.remote_address()
    }

    /// The smoothed round-trip time.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        self.0.rtt()
    }
}

/// What the peer is told when a half of a stream is dropped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// The sending half is reset with this.
    pub reset: StreamCode,
    /// The receiving half is stopped with this.
    pub stop: StreamCode,
}

impl Dropped {
    /// A control stream: nothing but the tunnel's end drops it.
    pub const CONTROL: Self = Self { reset: StreamCode::Dropped, stop: StreamCode::Dropped };
    /// A request stream at the relay: the caller went away.
    pub const CALLER: Self = Self { reset: StreamCode::Cancelled, stop: StreamCode::Cancelled };
    /// A request stream at the agent: the local server broke off, or needs no more of the body.
    pub const UPSTREAM: Self = Self { reset: StreamCode::UpstreamLost, stop: StreamCode::NotNeeded };
}

/// The peer's words; where it has none, its code.
fn words(code: Option<CloseCode>, reason: &str) -> String {
    match code {
        _ if !reason.is_empty() => format!(": {reason}"),
        Some(code) => format!(": {code:?}"),
        None => String::new(),
    }
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// The peer closed it.
    #[error("closed by the peer{}", words(*code, reason))]
    Closed {
        /// The peer's code, where this version knows it.
        code: Option<CloseCode>,
        /// The peer's words.
        reason: String,
    },
    /// This side closed it.
    #[error("closed here")]
    Here,
    /// The peer fell silent.
    #[error("silent for {} s", IDLE_TIMEOUT.as_secs())]
    Silent,
    /// Anything else.
    #[error("{0}")]
    Broken(String),
}

impl From<quinn::ConnectionError> for Lost {
    fn from(error: quinn::ConnectionError) -> Self {
        use quinn::ConnectionError as E;
        match error {
            E::ApplicationClosed(close) => Self::Closed {
                code: CloseCode::from_code(close.error_code.into_inner()),
                reason: String::from_utf8_lossy(&close.reason).into_owned(),
            },
            E::LocallyClosed => Self::Here,
            E::TimedOut => Self::Silent,
            other => Self::Broken(other.to_string()),
        }
    }
}

/// The sending half of a stream. Dropped before [`finish`](Self::finish) it is reset, never finished: quinn by itself
/// would finish it, and the peer would take half a message for a whole one.
#[derive(Debug)]
pub struct SendStream {
    inner: quinn::SendStream,
    on_drop: StreamCode,
    over: bool,
}

impl SendStream {
    fn new(inner: quinn::SendStream, on_drop: StreamCode) -> Self {
        Self { inner, on_drop, over: false }
    }

    /// Writes all of `chunks`, without copying them; waits for flow control. Not cancel-safe: a part may be written.
    ///
    /// # Errors
    /// [`WriteError`]
    pub async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), WriteError> {
        self.inner.write_all_chunks(chunks).await.map_err(WriteError::from)
    }

    /// Says that nothing follows. What was written is still delivered after a drop.
    ///
    /// # Errors
    /// [`WriteError::Over`] when it was finished or reset before.
    pub fn finish(&mut self) -> Result<(), WriteError> {
        self.over = true;
        self.inner.finish().map_err(|_| WriteError::Over)
    }

    /// Gives the stream up: the peer sees `code` and nothing that was not yet delivered.
    pub fn reset(&mut self, code: StreamCode) {
        if !self.over {
            self.over = true;
            // The only error is that the stream is over by now, which is what was wanted.
            let _ = self.inner.reset(VarInt::from_u32(code.code()));
        }
    }

    /// Waits until the peer wants no more of this stream (`Some`), or has got all of it or is gone (`None`).
    pub fn stopped(&self) -> impl Future<Output = Option<StreamCode>> + Send + Sync + 'static {
        let stopped = self.inner.stopped();
        async move {
            match stopped.await {
                Ok(Some(code)) => Some(StreamCode::from_code(code.into_inner())),
                Ok(None) => None,
                Err(_) => Some(StreamCode::Dropped),
            }
        }
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        self.reset(self.on_drop);
    }
}

/// Why nothing more can be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The peer wants no more.
    #[error("stopped by the peer: {0:?}")]
    Stopped(StreamCode),
    /// The connection is lost.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The stream was finished or reset on this side.
    #[error("the stream is over")]
    Over,
}

impl From<quinn::WriteError> for WriteError {
    fn from(error: quinn::WriteError) -> Self {
        match error {
            quinn::WriteError::Stopped(code) => Self::Stopped(StreamCode::from_code(code.into_inner())),
            quinn::WriteError::ConnectionLost(lost) => Self::Lost(lost.into()),
            quinn::WriteError::ClosedStream | quinn::WriteError::ZeroRttRejected => Self::Over,
        }
    }
}

/// The receiving half of a stream. Dropped before its end it is stopped, so that the peer stops sending.
#[derive(Debug)]
pub struct RecvStream {
    inner: quinn::RecvStream,
    on_drop: StreamCode,
    over: bool,
}

impl RecvStream {
    fn new(inner: quinn::RecvStream, on_drop: StreamCode) -> Self {
        Self { inner, on_drop, over: false }
    }

    /// The next bytes, `None` at the end.
    ///
    /// # Errors
    /// The stream was reset, or the connection is lost.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamLost>> {
        // `read_chunk` keeps nothing between polls, so a fresh future each time is the poll function quinn lacks.
        let read = std::task::ready!(pin!(self.inner.read_chunk(READ_CHUNK, true)).poll(cx));
        Poll::Ready(match read {
            Ok(Some(chunk)) => Ok(Some(chunk.bytes)),
            Ok(None) => {
                self.over = true;
                Ok(None)
            }
            Err(quinn::ReadError::Reset(code)) => {
                self.over = true;
                Err(StreamLost::Reset(StreamCode::from_code(code.into_inner())))
            }
            Err(quinn::ReadError::ConnectionLost(lost)) => Err(StreamLost::Lost(lost.into())),
            Err(other) => Err(StreamLost::Lost(Lost::Broken(other.to_string()))),
        })
    }

    /// Tells the peer to stop sending.
    pub fn stop(&mut self, code: StreamCode) {
        if !self.over {
            self.over = true;
            // The only error is that the stream is over by now, which is what was wanted.
            let _ = self.inner.stop(VarInt::from_u32(code.code()));
        }
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        self.stop(self.on_drop);
    }
}

/// Why nothing more can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamLost {
    /// The peer gave the stream up.
    #[error("reset by the peer: {0:?}")]
    Reset(StreamCode),
    /// The connection is lost.
    #[error(transparent)]
    Lost(#[from] Lost),
}
