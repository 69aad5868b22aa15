//! One connection of a local server that says exactly what a test tells it to.

use bytes::{Bytes, BytesMut};
use gantz_tests::{Origin, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The server's side of a connection.
pub(crate) struct Line {
    stream: TcpStream,
    seen: BytesMut,
}

/// A server that runs `script` on each connection.
pub(crate) fn scripted<F, Fut>(script: F) -> Origin
where
    F: Fn(Line) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Origin::raw(move |stream| {
        stream.set_nodelay(true).unwrap();
        script(Line { stream, seen: BytesMut::new() })
    })
}

/// A server that answers every request of every connection with these bytes. Requests have no body.
pub(crate) fn answering(answer: impl Into<Bytes>) -> Origin {
    let answer = answer.into();
    scripted(move |mut line| {
        let answer = answer.clone();
        async move {
            while line.head().await.is_some() {
                line.say(&answer).await;
            }
        }
    })
}

impl Line {
    /// The next request's head, with its last empty line; `None` when the connection has ended.
    pub(crate) async fn head(&mut self) -> Option<String> {
        self.until("\r\n\r\n").await
    }

    /// What comes, up to and with `marker`; `None` when the connection ends before.
    pub(crate) async fn until(&mut self, marker: &str) -> Option<String> {
        let marker = marker.as_bytes();
        loop {
            if let Some(at) = self.seen.windows(marker.len()).position(|window| window == marker) {
                let part = self.seen.split_to(at + marker.len());
                return Some(String::from_utf8_lossy(&part).into_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Reads some more; `false` at the end, however it is.
    async fn more(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.seen).await, Ok(read) if read > 0)
    }

    /// Everything until the other side closes or resets.
    pub(crate) async fn rest(&mut self) -> Bytes {
        within("the agent's end of the connection", async { while self.more().await {} }).await;
        self.seen.split().freeze()
    }

    /// Sends bytes. A peer that is gone is noticed when reading.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }
}

/// The lines of a head that carry `name`, their values in order.
pub(crate) fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(line, _)| line.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}
