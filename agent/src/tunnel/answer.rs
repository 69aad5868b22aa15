//! The way of an answer back: its head, its body as it comes, its trailers; and what the agent answers itself.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::FutureExt;
use gantz_shared::fields::{Nominated, is_hop_by_hop};
use gantz_shared::reset::StreamCode;
use gantz_shared::wire;
use gantz_transport::FrameWriter;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::request::Failed;
use crate::permissions::{self, Events, Refusal, Whole};
use crate::upstream::Endpoint;

/// Passes the local server's answer on. `sieve` is what the caller's permissions make of it, `stopped` ends when the
/// caller is gone.
pub(super) async fn pass(
    parts: Parts,
    mut body: Incoming,
    sieve: Option<permissions::Answer>,
    mut endpoint: Option<Endpoint>,
    writer: &mut FrameWriter,
    mut stopped: Pin<&mut impl Future>,
) -> Result<StatusCode, Failed> {
    let mut events = match sieve {
        Some(permissions::Answer::Whole(whole)) => {
            return tokio::select! {
                passed = pass_whole(parts, body, whole, writer) => passed,
                _ = &mut stopped => Err(StreamCode::Cancelled.into()),
            };
        }
        Some(permissions::Answer::Events(events)) => Some(events),
        Some(permissions::Answer::Untouched) | None => None,
    };
    let status = parts.status;
    encode_head(status, &parts.headers, None, writer)?;
    let mut trailers = None;
    loop {
        // What is there leaves together with the head; when nothing is, the head does not wait for it.
        let frame = match body.frame().now_or_never() {
            Some(frame) => frame,
            None => {
                writer.flush().await.map_err(|_| StreamCode::Cancelled)?;
                tokio::select! {
                    frame = body.frame() => frame,
                    _ = &mut stopped => return Err(StreamCode::Cancelled.into()),
                }
            }
        };
        let Some(frame) = frame else { break };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                tracing::debug!(%error, "local server broke off");
                return break_off(status, writer).await;
            }
        };
        match frame.into_data() {
            Ok(piece) => {
                let Some(piece) = change(piece, &mut events, &mut endpoint) else {
                    return break_off(status, writer).await;
                };
                let piece = if body.is_end_stream() { writer.gather(piece) } else { Some(piece) };
                if let Some(piece) = piece {
                    writer.data(piece).await.map_err(|_| StreamCode::Cancelled)?;
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    if let Some(events) = events {
        match events.finish() {
            Ok(rest) => writer.data(rest).await.map_err(|_| StreamCode::Cancelled)?,
            Err(withheld) => {
                tracing::warn!(%withheld, "an event is not passed on");
                return break_off(status, writer).await;
            }
        }
    }
    if let Some(rest) = endpoint.and_then(Endpoint::finish) {
        writer.data(rest).await.map_err(|_| StreamCode::Cancelled)?;
    }
    end(trailers.as_ref(), writer).await?;
    Ok(status)
}

/// A piece as the caller gets it; `None` when it must not.
fn change(piece: Bytes, events: &mut Option<Events>, endpoint: &mut Option<Endpoint>) -> Option<Bytes> {
    let piece = match events {
        Some(events) => match events.push(&piece) {
            Ok(piece) => piece,
            Err(withheld) => {
                tracing::warn!(%withheld, "an event is not passed on");
                return None;
            }
        },
        None => piece,
    };
    Some(match endpoint {
        Some(rewriter) => rewriter.rewrite(piece),
        None => piece,
    })
}

/// An answer whose fields are only known when all of it is.
async fn pass_whole(
    mut parts: Parts,
    mut body: Incoming,
    mut whole: Whole,
    writer: &mut FrameWriter,
) -> Result<StatusCode, Failed> {
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            tracing::debug!(%error, "local server broke off");
            StreamCode::UpstreamLost
        })?;
        match frame.into_data() {
            Ok(piece) => whole.push(&piece)?,
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let bytes = whole.finish(&mut parts.headers)?;
    encode_head(parts.status, &parts.headers, None, writer)?;
    if let Some(bytes) = writer.gather(bytes) {
        writer.data(bytes).await.map_err(|_| StreamCode::Cancelled)?;
    }
    end(trailers.as_ref(), writer).await?;
    Ok(parts.status)
}

/// Answers in the local server's place.
pub(super) async fn refuse(refusal: Refusal, writer: &mut FrameWriter) -> Result<StatusCode, StreamCode> {
    tracing::debug!(code = refusal.code(), "caller refused");
    let (parts, body) = refusal.into_response().into_parts();
    encode_head(parts.status, &parts.headers, None, writer)?;
    if let Some(body) = writer.gather(body) {
        writer.data(body).await.map_err(|_| StreamCode::Cancelled)?;
    }
    end(None, writer).await?;
    Ok(parts.status)
}

/// What was passed on stays passed on; that there is no more is seen.
async fn break_off(status: StatusCode, writer: &mut FrameWriter) -> Result<StatusCode, Failed> {
    writer.break_off().await.map_err(|_| StreamCode::Cancelled)?;
    Ok(status)
}

async fn end(trailers: Option<&HeaderMap>, writer: &mut FrameWriter) -> Result<(), StreamCode> {
    let nominated = trailers.map(Nominated::by).unwrap_or_default();
    let keep = |name: &HeaderName| !is_hop_by_hop(name) && !nominated.contains(name);
    writer.end(trailers, keep).await.map_err(|_| StreamCode::Cancelled)
}

/// Informational answers are optional: one that is too large is left out.
pub(super) fn encode_info(status: StatusCode, fields: &HeaderMap, writer: &mut FrameWriter) {
    let nominated = Nominated::by(fields);
    let keep = |name: &HeaderName| !is_hop_by_hop(name) && !nominated.contains(name);
    if let Err(error) = wire::info(status, fields, keep, writer.buffer()) {
        tracing::debug!(%error, "informational answer left out");
    }
}

pub(super) fn encode_head(
    status: StatusCode,
    fields: &HeaderMap,
    upgrade: Option<&HeaderValue>,
    writer: &mut FrameWriter,
) -> Result<(), StreamCode> {
    let nominated = Nominated::by(fields);
    let keep = |name: &HeaderName| !is_hop_by_hop(name) && !nominated.contains(name);
    wire::response_head(status, upgrade, fields, keep, writer.buffer()).map_err(|error| {
        tracing::warn!(%error, "local server's head is too large");
        StreamCode::UpstreamInvalid
    })
}
