//! A caller that shows what a proxy may hide: one connection, bodies piece by piece, trailers, errors as they are.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use gantz_tests::{Origin, Raw, World, relay, within};
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

/// A request's body.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How a caller reaches the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// HTTP/1.1 over TLS.
    Http1,
    /// HTTP/2 over TLS.
    Http2,
    /// HTTP/1.1 in clear, where something in front of the relay ends TLS.
    Plain,
}

/// Every way there is.
pub(crate) const EVERY_WAY: [Over; 3] = [Over::Http1, Over::Http2, Over::Plain];

impl Over {
    /// A world whose edge is reached this way.
    pub(crate) async fn world(self, server: Origin) -> World {
        let builder = if self == Self::Plain { relay().plain() } else { relay() };
        builder.server(server).start().await
    }

    /// Connects.
    pub(crate) async fn caller(self, world: &World) -> Caller {
        let tcp = TcpStream::connect(world.relay.edge_addr()).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        if self == Self::Plain {
            return Caller::http1(world, TokioIo::new(tcp)).await;
        }
        let alpn: &[u8] = if self == Self::Http2 { b"h2" } else { b"http/1.1" };
        let tls = Arc::new(gantz_tests::client::tls(&world.relay, &[alpn]));
        let name = ServerName::try_from(world.host.clone()).unwrap();
        let stream = TokioIo::new(TlsConnector::from(tls).connect(name, tcp).await.unwrap());
        if self == Self::Http2 { Caller::http2(world, stream).await } else { Caller::http1(world, stream).await }
    }

    /// A byte-level HTTP/1.1 connection.
    pub(crate) async fn raw(self, world: &World) -> Raw {
        match self {
            Self::Http1 => world.raw().await,
            Self::Plain => Raw::plain(world.relay.edge_addr()).await,
            Self::Http2 => panic!("HTTP/2 is not text"),
        }
    }
}

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

/// One connection to the edge.
pub(crate) struct Caller {
    sender: Sender,
    origin: String,
    authority: String,
    token: String,
    /// Dropped, it closes the connection.
    connection: AbortOnDropHandle<()>,
}

impl Caller {
    async fn http1(world: &World, io: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static) -> Self {
        let (sender, connection) = http1::Builder::new().max_headers(256).handshake(io).await.unwrap();
        // How a connection ends is told to the request that is on it.
        Self::new(world, Sender::Http1(sender), async move { drop(connection.await) })
    }

    async fn http2(world: &World, io: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static) -> Self {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        let (sender, connection) = builder.max_header_list_size(128 << 10).handshake(io).await.unwrap();
        Self::new(world, Sender::Http2(sender), async move { drop(connection.await) })
    }

    fn new(world: &World, sender: Sender, connection: impl Future<Output = ()> + Send + 'static) -> Self {
        let origin = world.url.clone();
        let authority = origin.split_once("://").unwrap().1.to_owned();
        let connection = AbortOnDropHandle::new(tokio::spawn(connection));
        Self { sender, origin, authority, token: world.token.clone(), connection }
    }

    /// A request with the token.
    pub(crate) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let builder = Request::builder().method(method).header("authorization", format!("Bearer {}", self.token));
        match self.sender {
            Sender::Http1(_) => builder.uri(path).header("host", &self.authority),
            Sender::Http2(_) => builder.uri(format!("{}{path}", self.origin)),
        }
    }

    /// Sends a request and awaits the answer's head.
    pub(crate) async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        within("the answer's head", async {
            match &mut self.sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        })
        .await
    }

    /// A GET and its whole answer.
    pub(crate) async fn get(&mut self, path: &str) -> (http::response::Parts, Bytes) {
        let request = self.request(Method::GET, path).body(nothing()).unwrap();
        whole(self.send(request).await.unwrap()).await
    }

    /// Closes the connection at once, whatever is on it.
    pub(crate) fn hang_up(self) {
        self.connection.abort();
    }
}

/// No body.
pub(crate) fn nothing() -> Body {
    Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A body of a known length.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A body that is said piece by piece.
pub(crate) struct Mouth(mpsc::Sender<Result<Frame<Bytes>, io::Error>>);

/// A body of unknown length and the end that speaks it; it ends when that is dropped.
pub(crate) fn spoken() -> (Mouth, Body) {
    let (mouth, pieces) = mpsc::channel(1);
    let stream = futures_util::stream::unfold(pieces, async |mut pieces: mpsc::Receiver<_>| {
        Some((pieces.recv().await?, pieces))
    });
    (Mouth(mouth), StreamBody::new(stream).boxed_unsync())
}

impl Mouth {
    /// Says a piece; `false` when nobody listens any more.
    pub(crate) async fn say(&self, piece: impl Into<Bytes>) -> bool {
        self.frame(Ok(Frame::data(piece.into()))).await
    }

    /// Ends the body with trailers.
    pub(crate) async fn trailers(self, trailers: http::HeaderMap) {
        assert!(self.frame(Ok(Frame::trailers(trailers))).await);
    }

    /// Breaks the body off.
    pub(crate) async fn break_off(self) {
        self.frame(Err(io::Error::other("the caller breaks off"))).await;
    }

    async fn frame(&self, frame: Result<Frame<Bytes>, io::Error>) -> bool {
        within("room for a piece", self.0.send(frame)).await.is_ok()
    }
}

/// The whole of an answer.
pub(crate) async fn whole(answer: Response<Incoming>) -> (http::response::Parts, Bytes) {
    let (parts, body) = answer.into_parts();
    (parts, within("the answer's body", body.collect()).await.unwrap().to_bytes())
}

/// The next piece of a body.
pub(crate) async fn piece(body: &mut Incoming) -> Bytes {
    next(body).await.expect("the body goes on").unwrap()
}

/// The next piece of a body, or how it ends. HTTP/2 may say its end with a piece that is empty.
pub(crate) async fn next(body: &mut Incoming) -> Option<hyper::Result<Bytes>> {
    loop {
        match within("a piece", body.frame()).await? {
            Ok(frame) => {
                let piece = frame.into_data().expect("a piece of body");
                if !piece.is_empty() {
                    return Some(Ok(piece));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}
