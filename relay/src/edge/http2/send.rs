//! An answer's body on its way to the caller.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use h2::{Reason, SendStream};
use http_body::{Body, Frame};
use http_body_util::BodyExt;

use super::meter::Meter;
use crate::edge::body::{BodyError, EdgeBody};
use crate::edge::reader;
use crate::tunnels::Unread;

/// Who an answer goes to.
pub(super) struct Caller {
    /// Where the answer is counted when it is not read.
    pub(super) unread: Option<Arc<Unread>>,
    /// How long it may be left unread.
    pub(super) patience: Duration,
    /// What its connection may cost.
    pub(super) meter: Arc<Meter>,
}

/// As large as a frame is unless the caller takes larger ones (RFC 9113 §4.2).
const FRAME: usize = 16 << 10;

/// What a body gives when it is asked; `None` at its end.
type Next = Option<Result<Frame<Bytes>, BodyError>>;

/// Sends `body`, as fast as the caller reads it.
pub(super) async fn send_body(mut body: EdgeBody, mut send: SendStream<Bytes>, caller: &Caller) {
    let mut ahead: Option<Next> = None;
    loop {
        let frame = match ahead.take() {
            Some(frame) => frame,
            None => tokio::select! {
                frame = body.frame() => frame,
                _ = poll_fn(|cx| send.poll_reset(cx)) => return,
            },
        };
        // An error of `send` is a connection or stream that is gone: there is nobody left to answer.
        let sent = match frame {
            None => {
                if let Err(error) = send.send_data(Bytes::new(), true) {
                    tracing::debug!(%error, "end of an answer not sent");
                }
                return;
            }
            // Half an answer is never ended cleanly.
            Some(Err(_)) => {
                // What came before it is still to be written: h2 drops that with a reset.
                tokio::task::yield_now().await;
                return send.send_reset(Reason::INTERNAL_ERROR);
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) => {
                    let (piece, next) = gather(piece, &mut body);
                    let is_end = next.is_none() && body.is_end_stream();
                    ahead = next;
                    match send_data(piece, is_end, &mut send, caller).await {
                        Ok(()) if is_end => return,
                        sent => sent,
                    }
                }
                Err(frame) => match frame.into_trailers() {
                    Ok(trailers) => {
                        // Nothing follows trailers.
                        if let Err(error) = send.send_trailers(trailers) {
                            tracing::debug!(%error, "trailers not sent");
                        }
                        return;
                    }
                    Err(_) => Ok(()),
                },
            },
        };
        if sent.is_err() {
            return;
        }
    }
}

/// `first` and what is there behind it, up to a frame, and what came instead of more. A tunnel hands over what a packet
/// holds; a frame and all that goes with it for each would cost more than the copy.
fn gather(first: Bytes, body: &mut EdgeBody) -> (Bytes, Option<Next>) {
    if first.len() >= FRAME || body.is_end_stream() {
        return (first, None);
    }
    let mut gathered = BytesMut::new();
    let whole = |gathered: BytesMut, first: Bytes| if gathered.is_empty() { first } else { gathered.freeze() };
    loop {
        let so_far = if gathered.is_empty() { first.len() } else { gathered.len() };
        if so_far >= FRAME {
            return (whole(gathered, first), None);
        }
        // Whoever polls next does so with a waker.
        let next = match body.frame().now_or_never() {
            None => return (whole(gathered, first), None),
            Some(next) => next,
        };
        match next {
            Some(Ok(frame)) if frame.is_data() => {
                if gathered.is_empty() {
                    gathered.extend_from_slice(&first);
                }
                gathered.extend_from_slice(frame.data_ref().map_or(&[][..], |piece| piece));
            }
            other => return (whole(gathered, first), Some(other)),
        }
    }
}

/// Sends one piece as flow control lets it through (RFC 9113 §5.2).
async fn send_data(
    mut piece: Bytes,
    is_end: bool,
    send: &mut SendStream<Bytes>,
    caller: &Caller,
) -> Result<(), h2::Error> {
    if piece.is_empty() {
        return if is_end { send.send_data(piece, true) } else { Ok(()) };
    }
    while !piece.is_empty() {
        send.reserve_capacity(piece.len());
        let granted = tokio::select! {
            biased;
            granted = capacity(send) => granted?,
            () = reader::give_up(caller.unread.clone(), caller.patience, || caller.meter.taken()) => {
                send.send_reset(Reason::CANCEL);
                return Err(Reason::CANCEL.into());
            }
        };
        let part = piece.split_to(granted.min(piece.len()));
        caller.meter.sent(part.len());
        let is_last = is_end && piece.is_empty();
        send.send_data(part, is_last)?;
    }
    Ok(())
}

/// Waits until the caller grants at least one byte.
async fn capacity(send: &mut SendStream<Bytes>) -> Result<usize, h2::Error> {
    loop {
        match poll_fn(|cx| send.poll_capacity(cx)).await {
            // h2 wakes streams that are granted nothing, too: that is no progress.
            Some(Ok(0)) => {}
            Some(granted) => return granted,
            None => return Err(Reason::CANCEL.into()),
        }
    }
}
