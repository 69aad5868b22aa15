//! The exchange with the agent: one request stream, the body as it comes, the answer as it comes.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use gantz_shared::fields::{
    self, Nominated, expects_continue, is_event_stream, is_forwarding, is_hop_by_hop, is_internal, wants_trailers,
};
use gantz_shared::limits;
use gantz_shared::reset::StreamCode;
use gantz_shared::wire::head::ResponseHead;
use gantz_shared::wire::{self, Event, WireError};
use gantz_transport::{FrameReader, FrameWriter, MessageBody, ReadError};
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Response, StatusCode, Version};
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::answer::Failure;
use super::body::{Download, EdgeBody};
use super::connection::Peer;
use super::counted::Counted;
use super::interim::Interim;
use super::keep_alive::KeepAlive;
use super::upload::{Rest, Upload, UploadError, upload};
use super::{Edge, cookies, credential, handle};
use crate::config::CONTINUE_WAIT;
use crate::tunnels::{Stream, Token, Unread};

/// No field of HTTP's.
const PROXY: HeaderName = HeaderName::from_static("proxy");

/// A request that may go through.
pub(super) struct Admitted {
    /// The caller's token; none where the tunnel is open.
    pub(super) token: Option<Arc<Token>>,
    pub(super) authority: Authority,
    pub(super) scheme: Scheme,
    pub(super) client: IpAddr,
    /// Where the answer is counted when the caller does not read it.
    pub(super) unread: Arc<Unread>,
}

/// Refuses what no stream needs to be opened for.
pub(super) fn check(parts: &Parts, edge: &Edge) -> Result<(), Failure> {
    let declared =
        fields::content_length(&parts.headers).map_err(|_| Failure::BadRequest("Content-Length is not one number."))?;
    match limit(edge) {
        Some(limit) if declared > Some(limit) => Err(Failure::BodyTooLarge { limit }),
        _ => Ok(()),
    }
}

/// Bytes that a request's body may have.
fn limit(edge: &Edge) -> Option<u64> {
    Some(edge.config.limits.body).filter(|limit| *limit > 0)
}

/// Forwards the request and answers with what comes back, or with what went wrong; gives it up when the token dies.
/// Cancel-safe: dropped, it cancels the request.
pub(super) async fn exchange<B>(
    admitted: Admitted,
    stream: Stream,
    mut parts: Parts,
    body: B,
    on_upgrade: Option<OnUpgrade>,
    edge: &Arc<Edge>,
    peer: &Peer,
) -> Response<EdgeBody>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display + Send,
{
    let (token, unread, authority) = (admitted.token.clone(), admitted.unread.clone(), admitted.authority.clone());
    let forwarded = {
        // By reference: what `run_until_cancelled` makes of it would have room for two.
        let forwarded = pin!(forward(admitted, stream, &mut parts, body, on_upgrade, edge, peer));
        match &token {
            None => forwarded.await,
            Some(token) => token.dead().run_until_cancelled(forwarded).await.unwrap_or(Err(Failure::InvalidToken)),
        }
    };
    match forwarded {
        Ok(mut response) => {
            cookies::keep_apart(response.headers_mut(), &authority);
            response.map(|body| body.answers(token, unread))
        }
        Err(failure) => failure.answer(&parts.headers),
    }
}

async fn forward<B>(
    admitted: Admitted,
    Stream { mut writer, mut reader, place }: Stream,
    parts: &mut Parts,
    body: B,
    on_upgrade: Option<OnUpgrade>,
    edge: &Arc<Edge>,
    peer: &Peer,
) -> Result<Response<EdgeBody>, Failure>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display + Send,
{
    // RFC 9110 §15.2: an HTTP/1.0 caller takes none.
    let interim = peer.interim.as_ref().filter(|_| parts.version > Version::HTTP_10);
    let limit = limit(edge);
    let has_body = !body.is_end_stream();
    // An upgrade needs a connection of its own (RFC 9110 §7.8) and, here, a request without a body.
    let upgrade = on_upgrade
        .filter(|_| parts.version == Version::HTTP_11 && !has_body)
        .and_then(|on_upgrade| Some((on_upgrade, fields::upgrade(&parts.headers)?.clone())))
        .filter(|(_, protocol)| !carries_requests(protocol));

    let wants_continue = has_body && expects_continue(&parts.headers);
    encode_head(&admitted, parts, has_body, upgrade.as_ref().map(|(_, protocol)| protocol), &mut writer)?;

    if let Some((on_upgrade, _)) = upgrade {
        writer.flush().await.map_err(|_| Failure::TunnelLost)?;
        let head = response_head(&mut reader, interim).await?;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let dead = admitted.token.as_ref().map(|token| token.dead().clone());
            let stream = Stream { writer, reader, place };
            // Boxed, as what few requests need is in all of this: every connection has room for a request.
            return Box::pin(switch(on_upgrade, head, stream, dead, admitted.unread, edge)).await;
        }
        // The answer is here: an agent that has stopped reading its request needs no end of it.
        if let Err(error) = writer.end(None, |_| true).await {
            tracing::debug!(%error, "refused upgrade not ended");
        }
        return respond(parts, head, (reader, place), None, edge).await;
    }
    if !has_body {
        writer.end(None, |_| true).await.map_err(|_| Failure::TunnelLost)?;
        let head = response_head(&mut reader, interim).await?;
        return respond(parts, head, (reader, place), None, edge).await;
    }
    if wants_continue {
        // The caller sends its body only when it is told to go on.
        writer.flush().await.map_err(|_| Failure::TunnelLost)?;
        if let Some(head) = Box::pin(continue_or_head(&mut reader, interim)).await? {
            // It may send its body all the same, and the local server may be waiting for it.
            let rest = Rest::Waiting(Box::pin(upload(body, writer, limit)));
            return respond(parts, head, (reader, place), Some(rest), edge).await;
        }
        if let Some(interim) = interim {
            interim.go_on();
        }
    }
    let upload: Upload = Box::pin(upload(body, writer, limit));
    let (head, rest) = upload_until_head(upload, &mut reader, interim, edge.config.limits.body).await?;
    respond(parts, head, (reader, place), rest, edge).await
}

/// Sends the body until the answer's head is there. The common body is sent by then; the rest of another goes on by
/// itself while the answer streams.
async fn upload_until_head(
    mut upload: Upload,
    reader: &mut FrameReader,
    interim: Option<&Interim>,
    max_body: u64,
) -> Result<(ResponseHead, Option<Rest>), Failure> {
    let uploaded = {
        let mut head = pin!(response_head(reader, interim));
        tokio::select! {
            biased;
            uploaded = &mut upload => uploaded,
            head = &mut head => {
                let head = head?;
                return Ok((head, Some(Rest::Going { _upload: AbortOnDropHandle::new(tokio::spawn(upload)) })));
            }
        }
    };
    match uploaded {
        Ok(()) => Ok((response_head(reader, interim).await?, None)),
        Err(UploadError::TooLarge) => Err(Failure::BodyTooLarge { limit: max_body }),
        Err(UploadError::Caller) => Err(Failure::BadRequest("The request's body broke off or is not HTTP.")),
        // Why the agent took no more is what its own end of the stream says.
        Err(UploadError::Tunnel) => Ok((response_head(reader, interim).await?, None)),
    }
}

/// Whether an upgrade to one of these protocols would be a connection of HTTP: its requests would get to the local
/// server without a look at their tokens, tools and rates. Such an offer is not passed on, which any server may do
/// (RFC 9110 §7.8, RFC 9113 §3.1).
fn carries_requests(protocols: &HeaderValue) -> bool {
    protocols.as_bytes().split(|byte| *byte == b',').any(|protocol| {
        let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default().trim_ascii();
        [&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|known| name.eq_ignore_ascii_case(known))
    })
}

fn encode_head(
    admitted: &Admitted,
    parts: &mut Parts,
    has_body: bool,
    upgrade: Option<&HeaderValue>,
    writer: &mut FrameWriter,
) -> Result<(), Failure> {
    if parts.headers.contains_key(header::TE) {
        if wants_trailers(&parts.headers) {
            parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
        } else {
            parts.headers.remove(header::TE);
        }
    }
    let is_open = admitted.token.is_none();
    let nominated = Nominated::by(&parts.headers);
    let keep = |name: &HeaderName| {
        let ends_here = match *name {
            header::HOST | header::ORIGIN => true,
            // Where the edge asks for no token, these are between the caller and the local server.
            header::TE => false,
            // A CGI-style server would take it for its own setting HTTP_PROXY, and call where the caller wants.
            _ if *name == PROXY => true,
            _ if credential::is_field(name) => !is_open,
            _ => is_hop_by_hop(name) || is_forwarding(name) || is_internal(name),
        };
        !ends_here && !nominated.contains(name)
    };
    let root = PathAndQuery::from_static("/");
    let path = parts.uri.path_and_query().unwrap_or(&root);
    wire::request_head(
        &parts.method,
        &admitted.scheme,
        has_body,
        &admitted.authority,
        path,
        Some(admitted.client),
        admitted.token.as_ref().map_or("", |token| token.id()),
        upgrade,
        &parts.headers,
        keep,
        writer.buffer(),
    )
    .map_err(|_| Failure::HeadTooLarge { bytes: limits::MAX_HEAD, fields: limits::MAX_FIELDS })
}

/// Reads until the final head; informational answers are passed on as they come.
async fn response_head(reader: &mut FrameReader, interim: Option<&Interim>) -> Result<ResponseHead, Failure> {
    loop {
        match next_head(reader).await? {
            (true, head) => return Ok(head),
            (false, info) => inform(&info, interim),
        }
    }
}

/// Reads until the server's 100 (`None`) or final head; gives up waiting after [`CONTINUE_WAIT`], as the server may
/// not know of `Expect`.
async fn continue_or_head(
    reader: &mut FrameReader,
    interim: Option<&Interim>,
) -> Result<Option<ResponseHead>, Failure> {
    let wait = async {
        loop {
            match next_head(reader).await? {
                (true, head) => return Ok(Some(head)),
                (false, info) if info.status == StatusCode::CONTINUE => return Ok(None),
                (false, info) => inform(&info, interim),
            }
        }
    };
    tokio::time::timeout(CONTINUE_WAIT, wait).await.unwrap_or(Ok(None))
}

fn inform(info: &ResponseHead, interim: Option<&Interim>) {
    // A caller gets one 100 at most, and only if it has asked for one: see `Interim::go_on`.
    if info.status != StatusCode::CONTINUE
        && let Some(interim) = interim
    {
        interim.send(info.status, &info.fields);
    }
}

/// The next head, and whether it is final.
async fn next_head(reader: &mut FrameReader) -> Result<(bool, ResponseHead), Failure> {
    let (is_final, payload) = match reader.event().await {
        Ok(Some(Event::Head(payload))) => (true, payload),
        Ok(Some(Event::Info(payload))) => (false, payload),
        Ok(_) => return Err(Failure::TunnelLost),
        Err(error) => {
            tracing::debug!(%error, "no answer");
            return Err(error.reset_code().map_or(Failure::TunnelLost, handle::given_up));
        }
    };
    match ResponseHead::decode(payload) {
        Ok(head) if is_final != is_interim(head.status) => Ok((is_final, head)),
        Ok(_) => Err(violated(reader, &WireError::Malformed("status"))),
        Err(error) => Err(violated(reader, &error)),
    }
}

/// 1xx but for 101, which ends the exchange of messages (RFC 9110 §15.2.2).
fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

fn violated(reader: &mut FrameReader, error: &WireError) -> Failure {
    tracing::info!(%error, "agent broke the protocol");
    reader.stop(StreamCode::Protocol);
    Failure::TunnelLost
}

async fn respond(
    request: &Parts,
    mut head: ResponseHead,
    (reader, place): (FrameReader, OwnedSemaphorePermit),
    rest: Option<Rest>,
    edge: &Edge,
) -> Result<Response<EdgeBody>, Failure> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Failure::UpstreamInvalid);
    }
    // RFC 9110 §8.6: there is none in a 204.
    if head.status == StatusCode::NO_CONTENT {
        head.fields.remove(header::CONTENT_LENGTH);
    }
    let length = fields::content_length(&head.fields).map_err(|_| Failure::UpstreamInvalid)?;
    let has_body =
        request.method != Method::HEAD && !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let is_events = has_body && is_event_stream(&head.fields);
    // A comment in what is encoded, or has a declared length, would break it.
    let takes_comments = is_events && length.is_none() && !head.fields.contains_key(header::CONTENT_ENCODING);
    let keep_alive = takes_comments.then(|| KeepAlive::new(edge.config.sse_keep_alive));
    let mut body = MessageBody::new(reader, length.filter(|_| has_body));
    if !has_body {
        body.read_over().await;
        // HTTP/2 has to end with the head, or a declared length would look broken (RFC 9113 §8.1.1). hyper's HTTP/1
        // strips that length from a 304 whose body says that it has ended.
        if request.version == Version::HTTP_2 {
            body.end_here();
        }
    }

    let mut response =
        Response::new(EdgeBody::Download(Box::new(Download::new(body, keep_alive, rest, place, edge.metrics.clone()))));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.fields;
    if is_events {
        // Buffering proxies on the way would hold events back.
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    }
    Ok(response)
}

/// Answers 101 and hands both connections to each other.
async fn switch(
    on_upgrade: OnUpgrade,
    head: ResponseHead,
    Stream { mut writer, mut reader, place }: Stream,
    dead: Option<CancellationToken>,
    unread: Arc<Unread>,
    edge: &Arc<Edge>,
) -> Result<Response<EdgeBody>, Failure> {
    let protocol = head.upgrade.ok_or(Failure::UpstreamInvalid)?;
    wire::upgraded(writer.buffer());
    writer.flush().await.map_err(|_| Failure::TunnelLost)?;
    match reader.event().await {
        Ok(Some(Event::Upgraded)) => {}
        Ok(_) => return Err(violated(&mut reader, &WireError::Malformed("101 without UPGRADED"))),
        Err(ReadError::Wire(error)) => return Err(violated(&mut reader, &error)),
        Err(_) => return Err(Failure::TunnelLost),
    }
    let metrics = edge.metrics.clone();
    edge.tasks.spawn(async move {
        let io = match on_upgrade.await {
            Ok(io) => TokioIo::new(io),
            Err(error) => return tracing::debug!(%error, "caller went away before its upgrade"),
        };
        let spliced = pin!(gantz_transport::splice::splice(&mut reader, &mut writer, Counted::new(io, metrics)));
        match dead {
            None => spliced.await,
            Some(dead) => {
                dead.run_until_cancelled(spliced).await;
            }
        }
        drop(place);
    });
    let mut response = Response::new(EdgeBody::Upgraded(unread));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = head.fields;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(header::UPGRADE, protocol);
    Ok(response)
}
