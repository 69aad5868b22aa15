//! The way of an answer back: its head, its body as it comes, its trailers; and what the agent answers itself.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::FutureExt;
use gantz_shared::fields::{Nominated, is_hop_by_hop, may_trail};
use gantz_shared::reset::StreamCode;
use gantz_shared::wire;
use gantz_transport::FrameWriter;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;

use super::request::{Failed, not_read};
use crate::calls::{Outcome, Tally};
use crate::permissions::{self, Events, Refusal, Room, Whole};
use crate::upstream::{AnswerBody, Endpoint};

/// What an answer passes on its way.
pub(super) struct Path<'a> {
    /// What the caller's permissions make of it.
    pub(super) sieve: Option<permissions::Answer>,
    /// What has to be said otherwise to the caller.
    pub(super) endpoint: Option<Endpoint>,
    /// Where what is long is read.
    pub(super) room: &'a Room,
    /// Is told what passes.
    pub(super) tally: &'a Tally,
}

/// How far an answer has got when its head has.
pub(super) enum Begun {
    /// All of it was passed on.
    Over(StatusCode),
    /// There may be more.
    Rest(Rest),
}

/// What is to be passed on behind a head. It holds nothing of that, whose fields are slices of a whole buffer.
pub(super) struct Rest {
    status: StatusCode,
    body: AnswerBody,
    /// None where it is passed on as it comes. Boxed: most are.
    changes: Option<Box<Changes>>,
}

/// What is made of a body's pieces.
struct Changes {
    events: Option<Events>,
    endpoint: Option<Endpoint>,
}

/// Begins to pass the local server's answer on. `stopped` ends when the caller is gone.
pub(super) async fn begin(
    parts: Parts,
    body: AnswerBody,
    Path { sieve, endpoint, room, tally }: Path<'_>,
    writer: &mut FrameWriter,
    mut stopped: Pin<&mut impl Future>,
) -> Result<Begun, Failed> {
    let events = match sieve {
        Some(permissions::Answer::Whole(whole)) => {
            return tokio::select! {
                passed = Box::pin(pass_whole(parts, body, whole, room, writer, tally)) => passed.map(Begun::Over),
                _ = &mut stopped => Err(StreamCode::Cancelled.into()),
            };
        }
        Some(permissions::Answer::Events(events)) => Some(events),
        Some(permissions::Answer::Untouched) | None => None,
    };
    let status = parts.status;
    encode_head(status, &parts.headers, None, writer)?;
    tally.status(status);
    let changes = (events.is_some() || endpoint.is_some()).then(|| Box::new(Changes { events, endpoint }));
    Ok(Begun::Rest(Rest { status, body, changes }))
}

/// Passes the rest on. `stopped` ends when the caller is gone.
pub(super) async fn pass(
    Rest { status, mut body, mut changes }: Rest,
    room: &Room,
    writer: &mut FrameWriter,
    tally: &Tally,
    mut stopped: Pin<&mut impl Future>,
) -> Result<StatusCode, Failed> {
    let mut trailers = None;
    loop {
        // What is there leaves together with the head; when nothing is, the head does not wait for it.
        let frame = match body.frame().now_or_never() {
            Some(frame) => frame,
            None => {
                writer.rest().await.map_err(|_| StreamCode::Cancelled)?;
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
                return Err(break_off(status, Outcome::Broken(StreamCode::UpstreamLost), writer).await);
            }
        };
        match frame.into_data() {
            Ok(piece) => {
                let piece = match &mut changes {
                    None => Ok(piece),
                    Some(at_work) => {
                        let changed = Box::pin(change(piece, at_work, room)).await?;
                        changes = changes.filter(|changes| changes.are_at_work());
                        changed
                    }
                };
                match piece {
                    Ok(piece) if body.is_end_stream() => send_last(piece, writer, tally).await?,
                    Ok(piece) => send(piece, writer, tally).await?,
                    Err(withheld) => return Err(withhold(status, withheld, writer).await),
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    if let Some(changes) = changes {
        Box::pin(finish(changes, status, room, writer, tally)).await?;
    }
    end(trailers.as_ref(), writer).await?;
    Ok(status)
}

impl Changes {
    /// Whether there is one that a later piece may need.
    fn are_at_work(&self) -> bool {
        self.events.is_some() || self.endpoint.as_ref().is_some_and(Endpoint::is_at_work)
    }
}

/// A piece as the caller gets it; an error within when it must not.
async fn change(
    piece: Bytes,
    changes: &mut Changes,
    room: &Room,
) -> Result<Result<Bytes, permissions::Withheld>, Failed> {
    let piece = match changes.events.take() {
        Some(mut taken) => {
            let bytes = taken.reads(&piece);
            let (piece, taken) =
                room.read(bytes, move || (taken.push(&piece), taken)).await.map_err(|error| not_read(&error))?;
            changes.events = Some(taken);
            piece
        }
        None => Ok(piece),
    };
    Ok(match &mut changes.endpoint {
        Some(rewriter) => piece.map(|piece| rewriter.rewrite(piece)),
        None => piece,
    })
}

/// Passes on what was held back of a body that has ended.
async fn finish(
    changes: Box<Changes>,
    status: StatusCode,
    room: &Room,
    writer: &mut FrameWriter,
    tally: &Tally,
) -> Result<(), Failed> {
    let Changes { events, endpoint } = *changes;
    if let Some(events) = events {
        match room.read(events.held(), || events.finish()).await.map_err(|error| not_read(&error))? {
            Ok(rest) => send(rest, writer, tally).await?,
            Err(withheld) => return Err(withhold(status, withheld, writer).await),
        }
    }
    if let Some(rest) = endpoint.and_then(Endpoint::finish) {
        send(rest, writer, tally).await?;
    }
    Ok(())
}

/// An answer whose fields are only known when all of it is.
async fn pass_whole(
    mut parts: Parts,
    mut body: AnswerBody,
    mut whole: Whole,
    room: &Room,
    writer: &mut FrameWriter,
    tally: &Tally,
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
    let (finished, headers) = room
        .read(whole.held(), move || {
            let finished = whole.finish(&mut parts.headers);
            (finished, parts.headers)
        })
        .await
        .map_err(|error| not_read(&error))?;
    let bytes = finished?;
    parts.headers = headers;
    encode_head(parts.status, &parts.headers, None, writer)?;
    tally.status(parts.status);
    send_last(bytes, writer, tally).await?;
    end(trailers.as_ref(), writer).await?;
    Ok(parts.status)
}

/// Answers in the local server's place.
pub(super) async fn refuse(
    refusal: Refusal,
    writer: &mut FrameWriter,
    tally: &Tally,
) -> Result<StatusCode, StreamCode> {
    tracing::debug!(code = refusal.code(), "caller refused");
    let (parts, body) = refusal.into_response().into_parts();
    encode_head(parts.status, &parts.headers, None, writer)?;
    tally.status(parts.status);
    send_last(body, writer, tally).await?;
    end(None, writer).await?;
    Ok(parts.status)
}

/// A piece of body.
async fn send(piece: Bytes, writer: &mut FrameWriter, tally: &Tally) -> Result<(), StreamCode> {
    let bytes = piece.len();
    writer.data(piece).await.map_err(|_| StreamCode::Cancelled)?;
    tally.went(bytes);
    Ok(())
}

/// As [`send`]; a small piece leaves together with the end.
async fn send_last(piece: Bytes, writer: &mut FrameWriter, tally: &Tally) -> Result<(), StreamCode> {
    let bytes = piece.len();
    match writer.gather(piece) {
        Some(piece) => send(piece, writer, tally).await?,
        None => tally.went(bytes),
    }
    Ok(())
}

/// The rest of the events is not for this caller.
async fn withhold(status: StatusCode, why: permissions::Withheld, writer: &mut FrameWriter) -> Failed {
    tracing::warn!(withheld = %why, "an event is not passed on");
    break_off(status, Outcome::Refused(Refusal::from(why).code()), writer).await
}

/// What was passed on stays passed on; that there is no more is seen.
async fn break_off(status: StatusCode, outcome: Outcome, writer: &mut FrameWriter) -> Failed {
    match writer.break_off().await {
        Ok(()) => Failed::BrokenOff(status, outcome),
        Err(_) => StreamCode::Cancelled.into(),
    }
}

async fn end(trailers: Option<&HeaderMap>, writer: &mut FrameWriter) -> Result<(), StreamCode> {
    let nominated = trailers.map(Nominated::by).unwrap_or_default();
    let keep = |name: &HeaderName| may_trail(name) && !nominated.contains(name);
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
        StreamCode::UpstreamTooLarge
    })
}
