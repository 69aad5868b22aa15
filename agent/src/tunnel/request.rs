//! One request stream: head in, local call, answer out.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use gantz_shared::fields::{Nominated, is_hop_by_hop, upgrade};
use gantz_shared::reset::StreamCode;
use gantz_shared::wire::head::RequestHead;
use gantz_shared::wire::{self, Direction, Event};
use gantz_transport::splice::splice;
use gantz_transport::{FrameReader, FrameWriter, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, Method, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;

use super::Work;
use crate::agent;
use crate::upstream::{Endpoint, Interim, RequestBody, Upstream, UpstreamError};

/// Serves one request to its end. Cancel-safe: dropped, it resets the stream and ends the local call.
pub(super) async fn serve(send: SendStream, recv: RecvStream, work: Arc<Work>) {
    let mut writer = FrameWriter::new(send);
    let mut reader = FrameReader::new(recv, Direction::Request);
    let started = Instant::now();
    let head = match reader.event().await {
        Ok(Some(Event::Head(payload))) => match RequestHead::decode(payload) {
            Ok(head) => head,
            Err(error) => {
                tracing::warn!(%error, "relay broke the protocol");
                reader.stop(StreamCode::Protocol);
                return writer.reset(StreamCode::Protocol);
            }
        },
        // The caller went away before its head was through, or the decoder has said what is wrong.
        Ok(_) | Err(_) => return writer.reset(StreamCode::Protocol),
    };
    work.tokens.used(&head.token);
    let (method, path) = (head.method.clone(), head.path.clone());
    let outcome = answer(head, reader, &mut writer, &work.upstream).await;
    let status = match outcome {
        Ok(status) => Some(status),
        Err(code) => {
            writer.reset(code);
            None
        }
    };
    (work.observer)(&agent::Event::Request { method, path: path.path().to_owned(), status, took: started.elapsed() });
}

/// Calls the local server and streams its answer back. The error is what the stream is reset with.
async fn answer(
    head: RequestHead,
    mut reader: FrameReader,
    writer: &mut FrameWriter,
    upstream: &Arc<Upstream>,
) -> Result<StatusCode, StreamCode> {
    let wants_upgrade = head.upgrade.is_some();
    let rewrite = head.method == Method::GET;
    let public = (head.scheme.clone(), head.authority.clone());
    let interim = Arc::new(Interim::default());
    let (body, rest) = if wants_upgrade {
        (RequestBody::Empty, Some(reader))
    } else if head.has_body {
        (RequestBody::streaming(reader, &head.fields).map_err(|_| StreamCode::Protocol)?, None)
    } else {
        read_to_fin(&mut reader).await?;
        (RequestBody::Empty, None)
    };

    let mut stopped = pin!(writer.stopped());
    let mut call = pin!(upstream.call(head, body, interim.clone()));
    let response = loop {
        tokio::select! {
            biased;
            response = &mut call => break response.map_err(|error| code_of(&error))?,
            (status, fields) = interim.next() => {
                encode_info(status, &fields, writer);
                writer.flush().await.map_err(|_| StreamCode::Cancelled)?;
            }
            _ = &mut stopped => return Err(StreamCode::Cancelled),
        }
    };
    // Those that came together with the answer go before it.
    while let Some((status, fields)) = interim.take() {
        encode_info(status, &fields, writer);
    }
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        let reader = rest.ok_or(StreamCode::UpstreamInvalid)?;
        switch(response, reader, writer).await?;
        return Ok(status);
    }
    let (parts, mut body) = response.into_parts();
    encode_head(status, &parts.headers, None, writer)?;
    let mut endpoint =
        rewrite.then(|| Endpoint::new(&parts.headers, upstream.target(), &public.0, &public.1)).flatten();
    let mut trailers = None;
    loop {
        // What is there leaves together with the head; when nothing is, the head does not wait for it.
        let frame = match body.frame().now_or_never() {
            Some(frame) => frame,
            None => {
                writer.flush().await.map_err(|_| StreamCode::Cancelled)?;
                tokio::select! {
                    frame = body.frame() => frame,
                    _ = &mut stopped => return Err(StreamCode::Cancelled),
                }
            }
        };
        let Some(frame) = frame else { break };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                tracing::debug!(%error, "local server broke off");
                writer.break_off().await.map_err(|_| StreamCode::Cancelled)?;
                return Ok(status);
            }
        };
        match frame.into_data() {
            Ok(piece) => {
                let piece = match &mut endpoint {
                    Some(rewriter) => rewriter.rewrite(piece),
                    None => piece,
                };
                let piece = if body.is_end_stream() { writer.gather(piece) } else { Some(piece) };
                if let Some(piece) = piece {
                    writer.data(piece).await.map_err(|_| StreamCode::Cancelled)?;
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    if let Some(rest) = endpoint.and_then(Endpoint::finish) {
        writer.data(rest).await.map_err(|_| StreamCode::Cancelled)?;
    }
    let nominated = trailers.as_ref().map(Nominated::by).unwrap_or_default();
    let keep = |name: &HeaderName| !is_hop_by_hop(name) && !nominated.contains(name);
    writer.end(trailers.as_ref(), keep).await.map_err(|_| StreamCode::Cancelled)?;
    Ok(status)
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

/// Informational answers are optional: one that is too large is left out.
fn encode_info(status: StatusCode, fields: &HeaderMap, writer: &mut FrameWriter) {
    let nominated = Nominated::by(fields);
    let keep = |name: &HeaderName| !is_hop_by_hop(name) && !nominated.contains(name);
    if let Err(error) = wire::info(status, fields, keep, writer.buffer()) {
        tracing::debug!(%error, "informational answer left out");
    }
}

fn encode_head(
    status: StatusCode,
    fields: &HeaderMap,
    upgrade: Option<&http::HeaderValue>,
    writer: &mut FrameWriter,
) -> Result<(), StreamCode> {
    let nominated = Nominated::by(fields);
    let keep = |name: &HeaderName| !is_hop_by_hop(name) && !nominated.contains(name);
    wire::response_head(status, upgrade, fields, keep, writer.buffer()).map_err(|error| {
        tracing::warn!(%error, "local server's head is too large");
        StreamCode::UpstreamInvalid
    })
}

/// Hands both connections to each other after the local server's 101.
async fn switch<B>(
    mut response: Response<B>,
    mut reader: FrameReader,
    writer: &mut FrameWriter,
) -> Result<(), StreamCode> {
    let on_upgrade = hyper::upgrade::on(&mut response);
    let protocol = upgrade(response.headers()).ok_or(StreamCode::UpstreamInvalid)?;
    encode_head(StatusCode::SWITCHING_PROTOCOLS, response.headers(), Some(protocol), writer)?;
    wire::upgraded(writer.buffer());
    writer.flush().await.map_err(|_| StreamCode::Cancelled)?;
    let io = on_upgrade.await.map_err(|_| StreamCode::UpstreamLost)?;
    match reader.event().await {
        Ok(Some(Event::Upgraded)) => {}
        _ => return Err(StreamCode::Cancelled),
    }
    splice(&mut reader, writer, TokioIo::new(io)).await;
    Ok(())
}

fn code_of(error: &UpstreamError) -> StreamCode {
    tracing::debug!(%error, "local call failed");
    match error {
        UpstreamError::Unavailable(_) => StreamCode::UpstreamUnavailable,
        UpstreamError::Timeout => StreamCode::UpstreamTimeout,
        UpstreamError::Caller => StreamCode::Cancelled,
        UpstreamError::Invalid(_) => StreamCode::UpstreamInvalid,
    }
}
