//! The end of a connection: what is still to be said, said; and who waits until that is done.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use gantz_shared::reset::CloseCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;

use super::codes;
use super::driver::Driver;

/// How long the peer may take to hear a close.
const GOODBYE: Duration = Duration::from_secs(2);

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    /// Tells the peer of a close on this side, and closes the socket.
    pub(super) async fn leave(&mut self) {
        let Some((code, reason)) = self.state.farewell() else {
            return drop(self.seen.take());
        };
        let (wire, link, seen) = (&mut self.wire, &mut self.link, &self.seen);
        let said = timeout(GOODBYE, async {
            if let Some((send, _)) = link
                && send.send_trailers(codes::close(code, &reason)).is_ok()
            {
                // Trailers are subject to no window. What could be written is, when the socket is not full.
                poll_fn(|cx| match wire.poll(false, cx) {
                    Poll::Pending if seen.is_full() => Poll::Pending,
                    _ => Poll::Ready(()),
                })
                .await;
            }
            let Some(mut socket) = seen.take() else { return };
            // A socket that is closed before all has been read from it takes back what it has sent (RFC 9293 §3.6).
            if socket.shutdown().await.is_ok() {
                let mut rest = [0; 4096];
                while socket.read(&mut rest).await.is_ok_and(|read| read > 0) {}
            }
        });
        if said.await.is_err() {
            tracing::debug!("peer did not take note of the close");
            drop(self.seen.take());
        }
    }
}

/// Connections that are waited for together. Each driver holds a clone.
#[derive(Debug)]
pub(super) struct Group {
    count: watch::Sender<usize>,
    closing: watch::Receiver<Option<(CloseCode, String)>>,
}

/// Who waits for a [`Group`].
#[derive(Debug)]
pub(super) struct Keeper {
    count: watch::Sender<usize>,
    closing: watch::Sender<Option<(CloseCode, String)>>,
}

impl Keeper {
    pub(super) fn new() -> Self {
        Self { count: watch::Sender::new(0), closing: watch::Sender::new(None) }
    }

    /// One more connection.
    pub(super) fn group(&self) -> Group {
        self.count.send_modify(|count| *count += 1);
        Group { count: self.count.clone(), closing: self.closing.subscribe() }
    }

    /// Closes all that there are and will be.
    pub(super) fn close(&self, code: CloseCode, reason: &str) {
        self.closing.send_replace(Some((code, reason.to_owned())));
    }

    /// Waits until there is no connection left. Cancel-safe.
    pub(super) async fn wait_idle(&self) {
        // The error would be that nobody counts any more, and this does.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Group {
    /// Waits until all are to close. Cancel-safe.
    pub(super) async fn closing(&mut self) -> (CloseCode, String) {
        match self.closing.wait_for(Option::is_some).await.ok().and_then(|closing| closing.clone()) {
            Some(closing) => closing,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.count.send_modify(|count| *count = count.saturating_sub(1));
    }
}
