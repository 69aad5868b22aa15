//! h2's connection in either role.

use std::task::{Context, Poll, ready};

use h2::server::SendResponse;
use h2::{PingPong, Reason};
use http::{Method, Request, Response, Uri};
use tokio::io::{AsyncRead, AsyncWrite};

use super::chunk::Chunk;
use super::io::Io;
use super::link::Raw;
use super::recv::Incoming;

/// The streams' paths.
pub(super) const LINK: &str = "/link";
pub(super) const CONTROL: &str = "/control";
pub(super) const STREAM: &str = "/stream";

/// The head that opens a stream of this path.
pub(super) fn request(path: &'static str) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    let uri = Uri::builder().scheme("https").authority("gantz").path_and_query(path).build();
    *request.uri_mut() = uri.unwrap_or_default();
    request
}

/// What a connection has to say.
pub(super) enum Turn {
    /// The relay has opened a stream.
    Stream(String, Raw),
    /// The connection is over.
    Over(Result<(), h2::Error>),
}

/// See the module's head.
pub(super) enum Wire<T> {
    Relay(h2::client::Connection<Io<T>, Chunk>),
    Agent(h2::server::Connection<Io<T>, Chunk>),
}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire<T> {
    /// Drives the connection; takes a stream if `takes`.
    pub(super) fn poll(&mut self, takes: bool, cx: &mut Context<'_>) -> Poll<Turn> {
        match self {
            Self::Relay(connection) => std::pin::Pin::new(connection).poll(cx).map(Turn::Over),
            Self::Agent(connection) if !takes => connection.poll_closed(cx).map(Turn::Over),
            Self::Agent(connection) => loop {
                match ready!(connection.poll_accept(cx)) {
                    Some(Ok((request, respond))) => {
                        if let Some((path, raw)) = taken(request, respond) {
                            return Poll::Ready(Turn::Stream(path, raw));
                        }
                    }
                    Some(Err(error)) => return Poll::Ready(Turn::Over(Err(error))),
                    None => return Poll::Ready(Turn::Over(Ok(()))),
                }
            },
        }
    }

    pub(super) fn set_window(&mut self, bytes: u32) {
        match self {
            Self::Relay(connection) => connection.set_target_window_size(bytes),
            Self::Agent(connection) => connection.set_target_window_size(bytes),
        }
    }

    pub(super) fn ping_pong(&mut self) -> Option<PingPong> {
        match self {
            Self::Relay(connection) => connection.ping_pong(),
            Self::Agent(connection) => connection.ping_pong(),
        }
    }
}

/// Takes a stream by answering it: from then on both may send.
fn taken(request: Request<h2::RecvStream>, mut respond: SendResponse<Chunk>) -> Option<(String, Raw)> {
    let path = request.uri().path().to_owned();
    if ![LINK, CONTROL, STREAM].contains(&path.as_str()) {
        respond.send_reset(Reason::PROTOCOL_ERROR);
        return None;
    }
    // The only error is that the relay has reset it by now.
    let send = respond.send_response(Response::new(()), false).ok()?;
    Some((path, (send, Incoming::Open(request.into_body()))))
}
