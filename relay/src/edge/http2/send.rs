//! An answer's body on its way to the caller.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;
use http_body_util::BodyExt;

use super::meter::Meter;
use crate::edge::body::EdgeBody;
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

/// Sends `body`, as fast as the caller reads it.
pub(super) async fn send_body(mut body: EdgeBody, mut send: SendStream<Bytes>, caller: &Caller) {
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            _ = poll_fn(|cx| send.poll_reset(cx)) => return,
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
            Some(Err(_)) => return send.send_reset(Reason::INTERNAL_ERROR),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) => {
                    let is_end = body.is_end_stream();
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
