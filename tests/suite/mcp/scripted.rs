//! A local server that the test itself plays: every connection is handed to the test, which reads the request and says
//! each byte of the answer when it wants to.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use gantz_tests::{Origin, lasting_port, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// The connections to the server.
pub(crate) struct Calls(UnboundedReceiver<TcpStream>);

/// One connection, from the server's end.
pub(crate) struct Call {
    stream: TcpStream,
    seen: BytesMut,
}

/// A server and its connections.
pub(crate) fn scripted() -> (Origin, Calls) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let origin = Origin::raw(move |stream| {
        // Nobody waits for it any more: the test is over.
        let _ = sender.send(stream);
        std::future::ready(())
    });
    (origin, Calls(receiver))
}

/// An address on this machine where nobody listens, and nobody will but who is told.
pub(crate) fn nobody() -> SocketAddr {
    ([127, 0, 0, 1], lasting_port()).into()
}

impl Calls {
    /// The next connection.
    pub(crate) async fn next(&mut self) -> Call {
        let stream = within("a connection to the local server", self.0.recv()).await.expect("the server runs");
        Call::new(stream)
    }

    /// The next connection, and the head of its request.
    pub(crate) async fn request(&mut self) -> (Call, String) {
        let mut call = self.next().await;
        let head = call.head().await;
        (call, head)
    }

    /// Whether there was another connection.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Call {
    /// A connection that somebody else accepted.
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, seen: BytesMut::new() }
    }

    /// Reads one request head.
    pub(crate) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Reads up to and including `marker`.
    pub(crate) async fn until(&mut self, marker: &str) -> String {
        loop {
            let found = self.seen.windows(marker.len()).position(|window| window == marker.as_bytes());
            if let Some(at) = found {
                return String::from_utf8_lossy(&self.seen.split_to(at + marker.len())).into_owned();
            }
            let read = within(marker, self.stream.read_buf(&mut self.seen)).await.unwrap();
            assert!(read > 0, "closed before {marker:?}: {:?}", self.seen);
        }
    }

    /// Says `bytes`.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Says `bytes`, or as many as the other end takes before it closes.
    pub(crate) async fn try_say(&mut self, bytes: impl AsRef<[u8]>) {
        // Which of them those are is the other end's matter.
        let _ = within("bytes taken", self.stream.write_all(bytes.as_ref())).await;
    }

    /// Says one chunk of a chunked body.
    pub(crate) async fn chunk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.say(chunk).await;
    }

    /// Says the end of a chunked body.
    pub(crate) async fn end(&mut self) {
        self.say("0\r\n\r\n").await;
    }

    /// Waits until the other end has closed, and gives what came before that.
    pub(crate) async fn closed(&mut self) -> Vec<u8> {
        // A reset is as good an end as a FIN.
        while within("the end of the connection", self.stream.read_buf(&mut self.seen)).await.unwrap_or(0) > 0 {}
        self.seen.split().to_vec()
    }
}

/// The head of an answer with a chunked body.
pub(crate) fn chunked(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{fields}\r\n")
}

/// Asserts that a body ends here, cleanly. An HTTP/2 stream may say so with an empty piece.
pub(crate) async fn assert_end(body: &mut (impl Stream<Item = reqwest::Result<Bytes>> + Unpin)) {
    while let Some(piece) = within("the end", body.next()).await {
        assert_eq!(piece.unwrap(), "");
    }
}
