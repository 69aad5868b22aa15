//! One request stream: head in, what its token may do, local call, answer out.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use gantz_shared::fields::upgrade;
use gantz_shared::reset::StreamCode;
use gantz_shared::wire::head::RequestHead;
use gantz_shared::wire::{self, Direction, Event};
use gantz_transport::splice::splice;
use gantz_transport::{FrameReader, FrameWriter, RecvStream, SendStream};
use http::{HeaderMap, Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::task::JoinError;
use tokio_util::io::{InspectReader, InspectWriter};

use super::answer::Begun;
use super::{Work, answer};
use crate::agent;
use crate::calls::{Call, Outcome, Tally};
use crate::permissions::{Buffer, Guard, Need, Refusal, Room};
use crate::upstream::{Endpoint, Interim, RequestBody, UpstreamError};

/// Serves one request to its end. Cancel-safe: dropped, it resets the stream and ends the local call.
pub(super) async fn serve(send: SendStream, recv: RecvStream, work: Arc<Work>) {
    let mut writer = FrameWriter::new(send);
    let started = Instant::now();
    let mut stopped = pin!(writer.stopped());
    // Boxed until the answer begins, as one may go on for hours: that is most of what a request needs. All of an upgraded
    // connection is in there, too, and an answer that is looked through whole.
    let taken = Box::pin(take(recv, &mut writer, &work, started, stopped.as_mut())).await;
    let Some(Taken { method, path, logged, answer }) = taken else { return writer.reset(StreamCode::Protocol) };
    let tally = logged.tally();
    let called = match answer {
        Ok(Begun::Over(status)) => Ok(status),
        Ok(Begun::Rest(rest)) => answer::pass(rest, &work.room, &mut writer, &tally, stopped).await,
        Err(failed) => Err(failed),
    };
    let (result, outcome) = match called {
        Ok(status) => (Ok(status), Outcome::Whole),
        Err(Failed::BrokenOff(status, outcome)) => (Ok(status), outcome),
        Err(Failed::Refused(refusal)) => {
            let outcome = Outcome::Refused(refusal.code());
            (Box::pin(answer::refuse(refusal, &mut writer, &tally)).await, outcome)
        }
        Err(Failed::Reset(code)) => (Err(code), Outcome::Broken(code)),
    };
    let status = match result {
        Ok(status) => Some(status),
        Err(code) => {
            writer.reset(code);
            None
        }
    };
    logged.end(outcome);
    (work.observer)(&agent::Event::Request { method, path, status, took: started.elapsed() });
}

/// A request that was taken, and what came of it. It holds no slice of the packet that its head came in.
struct Taken {
    method: Method,
    path: String,
    logged: Call,
    answer: Result<Begun, Failed>,
}

/// Reads a request's head and makes the call, until its answer begins. `None` when what came is no request.
async fn take(
    recv: RecvStream,
    writer: &mut FrameWriter,
    work: &Work,
    started: Instant,
    stopped: Pin<&mut impl Future>,
) -> Option<Taken> {
    let mut reader = FrameReader::new(recv, Direction::Request);
    let head = match reader.event().await {
        Ok(Some(Event::Head(payload))) => match RequestHead::decode(payload) {
            Ok(head) => head,
            Err(error) => {
                tracing::warn!(%error, "relay broke the protocol");
                reader.stop(StreamCode::Protocol);
                return None;
            }
        },
        // The caller went away before its head was through, or the decoder has said what is wrong.
        Ok(_) | Err(_) => return None,
    };
    let (method, path) = (head.method.clone(), head.path.path().to_owned());
    let logged = work.calls.begin(&head, &work.tokens, started);
    let tally = logged.tally();
    let answer = call(head, reader, writer, work, &tally, stopped).await;
    Some(Taken { method, path, logged, answer })
}

/// Why there is no answer of the local server, or not all of it.
pub(super) enum Failed {
    /// The stream is reset with this.
    Reset(StreamCode),
    /// An answer with this status was begun, and the stream has ended without its end.
    BrokenOff(StatusCode, Outcome),
    /// The caller's token may not do this.
    Refused(Refusal),
}

impl From<StreamCode> for Failed {
    fn from(code: StreamCode) -> Self {
        Self::Reset(code)
    }
}

impl<R: Into<Refusal>> From<R> for Failed {
    fn from(refusal: R) -> Self {
        Self::Refused(refusal.into())
    }
}

/// Calls the local server until its answer begins; `tally` is told what passes. What few requests need is boxed within:
/// every request has room for the rest.
async fn call(
    mut head: RequestHead,
    mut reader: FrameReader,
    writer: &mut FrameWriter,
    work: &Work,
    tally: &Tally,
    mut stopped: Pin<&mut impl Future>,
) -> Result<Begun, Failed> {
    let permissions = match work.tokens.used(&head.token) {
        Some(permissions) => Some(permissions),
        // The tunnel is open to everybody.
        None if head.token.is_empty() => None,
        // Revoked, and the relay does not know yet: what it was allowed is forgotten.
        None => return Err(Refusal::revoked().into()),
    };
    let mut guard = permissions.map(|permissions| Guard::new(permissions, &work.tools, &work.room));
    let need = guard.as_mut().map(|guard| guard.head(&mut head)).transpose()?;
    let (body, rest) = match (need, guard.take()) {
        (Some(Need::Body { buffer, expects_continue }), Some(unchecked)) => {
            if expects_continue {
                answer::encode_info(StatusCode::CONTINUE, &HeaderMap::new(), writer);
                writer.flush().await.map_err(|_| StreamCode::Cancelled)?;
            }
            let body = Box::pin(read_whole(&mut reader, buffer, tally)).await?;
            guard = Some(Box::pin(check(unchecked, &mut head, body.clone(), &work.room)).await?);
            (RequestBody::whole(body), None)
        }
        (_, without_body) => {
            guard = without_body;
            if head.upgrade.is_some() {
                (RequestBody::Empty, Some(reader))
            } else if head.has_body {
                let body = RequestBody::streaming(reader, &head.fields, tally.clone());
                (body.map_err(|_| StreamCode::Protocol)?, None)
            } else {
                read_to_fin(&mut reader).await?;
                (RequestBody::Empty, None)
            }
        }
    };
    let rewrite = head.method == Method::GET;
    let public = work.upstream.public(&head);
    let interim = Arc::new(Interim::default());
    let mut call = pin!(work.upstream.call(head, body, interim.clone()));
    let response = loop {
        tokio::select! {
            biased;
            response = &mut call => break response.map_err(|error| code_of(&error))?,
            (status, fields) = interim.next() => {
                answer::encode_info(status, &fields, writer);
                writer.flush().await.map_err(|_| StreamCode::Cancelled)?;
            }
            _ = &mut stopped => return Err(StreamCode::Cancelled.into()),
        }
    };
    // Those that came together with the answer go before it.
    while let Some((status, fields)) = interim.take() {
        answer::encode_info(status, &fields, writer);
    }
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        let reader = rest.ok_or(StreamCode::UpstreamInvalid)?;
        Box::pin(switch(response, reader, writer, tally)).await?;
        return Ok(Begun::Over(status));
    }
    let (mut parts, body) = response.into_parts();
    public.rewrite(&mut parts.headers);
    let sieve = guard.map(|guard| guard.answer(status, &mut parts.headers)).transpose()?;
    let endpoint = rewrite.then(|| Endpoint::new(&parts.headers, &public)).flatten();
    let path = answer::Path { sieve, endpoint, room: &work.room, tally };
    answer::begin(parts, body, path, writer, stopped).await
}

/// The whole body of a request whose token has permissions.
async fn read_whole(reader: &mut FrameReader, mut buffer: Buffer, tally: &Tally) -> Result<Bytes, Failed> {
    loop {
        match reader.event().await {
            Ok(Some(Event::Data(piece))) => {
                tally.body(&piece);
                if let Err(full) = buffer.push(&piece) {
                    reader.stop(StreamCode::NotNeeded);
                    return Err(full.into());
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => return Ok(buffer.finish()),
            Err(_) => return Err(StreamCode::Cancelled.into()),
        }
    }
}

/// Looks at a body, aside where it is long.
async fn check(mut guard: Guard, head: &mut RequestHead, body: Bytes, room: &Room) -> Result<Guard, Failed> {
    let fields = std::mem::take(&mut head.fields);
    let (guard, fields, checked) = room
        .read(body.len(), move || {
            let checked = guard.body(&fields, &body).map(drop);
            (guard, fields, checked)
        })
        .await
        .map_err(|error| not_read(&error))?;
    head.fields = fields;
    checked?;
    Ok(guard)
}

/// Ends the stream as one whose task is gone: the process ends, or there is a mistake in it.
pub(super) fn not_read(error: &JoinError) -> Failed {
    tracing::error!(%error, "what was to be looked through is not passed on");
    StreamCode::Dropped.into()
}

/// Reads the `END` and FIN of a request without a body, which have mostly come with its head: a stream that is read to
/// its end needs no stopping.
async fn read_to_fin(reader: &mut FrameReader) -> Result<(), StreamCode> {
    loop {
        match reader.event().await {
            Ok(Some(Event::End(_))) => {}
            Ok(None) => return Ok(()),
            Ok(Some(_)) => {
                tracing::warn!("relay sent a body that it had not announced");
                reader.stop(StreamCode::Protocol);
                return Err(StreamCode::Protocol);
            }
            Err(_) => return Err(StreamCode::Cancelled),
        }
    }
}

/// Hands both connections to each other after the local server's 101.
async fn switch<B>(
    mut response: Response<B>,
    mut reader: FrameReader,
    writer: &mut FrameWriter,
    tally: &Tally,
) -> Result<(), StreamCode> {
    let on_upgrade = hyper::upgrade::on(&mut response);
    let protocol = upgrade(response.headers()).ok_or(StreamCode::UpstreamInvalid)?;
    answer::encode_head(StatusCode::SWITCHING_PROTOCOLS, response.headers(), Some(protocol), writer)?;
    tally.status(StatusCode::SWITCHING_PROTOCOLS);
    wire::upgraded(writer.buffer());
    writer.flush().await.map_err(|_| StreamCode::Cancelled)?;
    let io = on_upgrade.await.map_err(|_| StreamCode::UpstreamLost)?;
    match reader.event().await {
        Ok(Some(Event::Upgraded)) => {}
        _ => return Err(StreamCode::Cancelled),
    }
    let io = InspectReader::new(TokioIo::new(io), |piece| tally.went(piece.len()));
    let io = InspectWriter::new(io, |piece| tally.came(piece.len()));
    splice(&mut reader, writer, io).await;
    Ok(())
}

fn code_of(error: &UpstreamError) -> StreamCode {
    tracing::debug!(%error, "local call failed");
    match error {
        UpstreamError::Unavailable(_) => StreamCode::UpstreamUnavailable,
        UpstreamError::Timeout => StreamCode::UpstreamTimeout,
        UpstreamError::Caller => StreamCode::Cancelled,
        UpstreamError::TooLarge => StreamCode::UpstreamTooLarge,
        UpstreamError::Lost(_) => StreamCode::UpstreamLost,
        UpstreamError::Invalid(_) => StreamCode::UpstreamInvalid,
    }
}
