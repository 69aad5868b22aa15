//! One request, from its head to its answer: route, then policy in the order preflight, origin, credential, and then
//! the exchange with the agent.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use gantz_shared::reset::StreamCode;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use tokio::time::{Instant, timeout_at};
use tower_service::Service;

use super::answer::{Failure, Limit};
use super::body::EdgeBody;
use super::clock::later;
use super::connection::Peer;
use super::exchange::{self, Admitted};
use super::hold::Guest;
use super::linger::Lingering;
use super::measured::Measured;
use super::origin::Page;
use super::route::{Route, Target, route};
use super::{Edge, credential, forwarded, origin};
use crate::audit::Why;
use crate::directory::Found;
use crate::metrics::AuthFailure;
use crate::tunnels::{OpenError, Stream, Token, Tunnel, Unread};

/// Answers a request. Cancel-safe: dropped, it cancels the request at the local server.
pub(super) async fn handle<B>(
    mut request: Request<B>,
    edge: &Arc<Edge>,
    peer: &Peer,
    measured: &mut Measured,
) -> Response<EdgeBody>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display + Send,
{
    let on_upgrade = request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>();
    let (mut parts, body) = request.into_parts();
    measured.trace(&mut parts, edge);
    // Whoever answers before the body has been read, the caller gets to read that answer.
    let body = Lingering::new(body, &parts, &edge.tasks, edge.metrics.clone());
    let route = match route(&parts, peer.sni.as_deref(), &edge.config) {
        Ok(route) => route,
        Err(failure) => return failure.answer(&parts.headers),
    };
    measured.routed(&route.target, edge);
    if route.target == Target::Apex {
        return Box::pin(apex(parts, edge)).await;
    }
    let trusted = &edge.config.trusted_proxies;
    let client = forwarded::client(&parts.headers, peer.address, trusted);
    let guest = Guest { source: client, parts: &parts, has_body: !body.is_end_stream() };
    let passage = match pass(guest, &route, edge, measured).await {
        Ok(passage) => passage,
        Err(answer) => return *answer,
    };
    let admitted = Admitted {
        token: passage.token,
        authority: route.authority,
        scheme: forwarded::scheme(&parts.headers, peer.address, trusted, &edge.public.scheme),
        client,
        unread: passage.unread,
    };
    let mut response = exchange::exchange(admitted, passage.stream, parts, body, on_upgrade, edge, peer).await;
    if let Some(origin) = &passage.origin {
        origin::allow(response.headers_mut(), origin);
    }
    response
}

/// A request that may go through, and what it goes through.
struct Passage {
    stream: Stream,
    unread: Arc<Unread>,
    /// None where the tunnel is open.
    token: Option<Arc<Token>>,
    /// The page that the request comes from.
    origin: Option<Page>,
}

/// Finds the tunnel, asks its policy, and opens a stream; or says what the edge answers instead. A tunnel that turns
/// out to be dead is waited for like one that is away: nothing of the request has left yet.
async fn pass(
    guest: Guest<'_>,
    route: &Route,
    edge: &Edge,
    measured: &mut Measured,
) -> Result<Passage, Box<Response<EdgeBody>>> {
    let Guest { source: client, parts, .. } = guest;
    let give_up = later(edge.config.hold);
    let own = (&edge.public.scheme, &route.authority);
    let refuse = |failure: Failure, origin: Option<&Page>| {
        let mut response = failure.answer(&parts.headers);
        if let Some(origin) = origin {
            origin::allow(response.headers_mut(), origin);
        }
        Box::new(response)
    };
    loop {
        let tunnel = match find(edge, &route.target, guest, give_up, measured).await {
            Ok(tunnel) => tunnel,
            Err(failure) => {
                // Whoever may call any tunnel from a page may read there that this one is not to be had.
                let origin = origin::check(parts, own, &[]).ok().flatten();
                return Err(refuse(failure, origin.as_ref()));
            }
        };
        let origin = origin::check(parts, own, tunnel.allowed_origins()).map_err(|failure| refuse(failure, None))?;
        if let Some(origin) = &origin
            && origin::is_preflight(parts)
        {
            return Err(Box::new(origin::preflight(parts, origin)));
        }
        let admitted = admit(&tunnel, parts, client, edge).inspect_err(|failure| note(edge, *failure, client, &tunnel));
        let admitted = admitted.and_then(|token| exchange::check(parts, edge).map(|()| token));
        let token = admitted.map_err(|failure| refuse(failure, origin.as_ref()))?;
        if tunnel.is_silent() {
            let room = edge.holding.hold(guest).ok_or_else(|| refuse(Failure::AgentOffline, origin.as_ref()))?;
            let held = measured.hold();
            if timeout_at(give_up, tunnel.heard()).await.is_err() {
                return Err(refuse(Failure::AgentOffline, origin.as_ref()));
            }
            drop((room, held));
            if tunnel.is_superseded() {
                continue;
            }
        }
        match tunnel.open().await {
            Ok(stream) => return Ok(Passage { stream, unread: tunnel.unread().clone(), token, origin }),
            Err(OpenError::Busy) => return Err(refuse(Failure::TunnelBusy, origin.as_ref())),
            Err(OpenError::Lost(lost)) => {
                tracing::debug!(%lost, "tunnel found dead");
                if timeout_at(give_up, tunnel.ended()).await.is_err() {
                    return Err(refuse(Failure::AgentOffline, origin.as_ref()));
                }
            }
        }
    }
}

/// Writes down who was turned away.
fn note(edge: &Edge, failure: Failure, source: IpAddr, tunnel: &Tunnel) {
    if let Some(reason) = counted(failure) {
        edge.metrics.auth_failures.of(reason).inc();
    }
    let name = tunnel.name().as_str();
    match failure {
        Failure::RateLimited { limit, .. } => edge.audit.turned_away(Why::RateLimited(limit.name()), source, name),
        Failure::MissingToken | Failure::InvalidToken | Failure::ExpiredToken => {
            edge.audit.turned_away(Why::AuthFailed(failure.code()), source, name);
        }
        _ => {}
    }
}

/// A failure that is the caller's token's.
fn counted(failure: Failure) -> Option<AuthFailure> {
    Some(match failure {
        Failure::MissingToken => AuthFailure::Missing,
        Failure::InvalidToken => AuthFailure::Wrong,
        Failure::ExpiredToken => AuthFailure::Expired,
        Failure::RateLimited { limit: Limit::Guesses | Limit::MissingTokens, .. } => AuthFailure::RateLimited,
        _ => return None,
    })
}

/// The tunnel of a request. One whose agent is away is waited for until `give_up`, if not too many wait already.
async fn find(
    edge: &Edge,
    target: &Target,
    guest: Guest<'_>,
    give_up: Instant,
    measured: &mut Measured,
) -> Result<Arc<Tunnel>, Failure> {
    let look = || match target {
        Target::Tunnel(name) => edge.directory.find(name),
        Target::Only => edge.directory.only(),
        Target::Apex | Target::Nothing => Found::Unknown,
    };
    let mut found = look();
    if !matches!(found, Found::Away(_)) {
        return at_once(found);
    }
    let _room = edge.holding.hold(guest).ok_or(Failure::AgentOffline)?;
    let _held = measured.hold();
    loop {
        let Found::Away(back) = found else { return at_once(found) };
        let notified = back.notified();
        // The agent may have come back between the last look and this one; from here on nothing is missed.
        found = match look() {
            Found::Away(still) if Arc::ptr_eq(&still, &back) => {
                timeout_at(give_up, notified).await.map_err(|_| Failure::AgentOffline)?;
                look()
            }
            other => other,
        };
    }
}

/// Where a name leads for whoever does not wait.
fn at_once(found: Found) -> Result<Arc<Tunnel>, Failure> {
    match found {
        Found::Here(tunnel) => Ok(tunnel),
        Found::Away(_) => Err(Failure::AgentOffline),
        Found::Unknown => Err(Failure::TunnelNotFound),
    }
}

/// The caller's token, none where the tunnel is open; or why it may not call, or not now.
fn admit(tunnel: &Tunnel, parts: &Parts, client: IpAddr, edge: &Edge) -> Result<Option<Arc<Token>>, Failure> {
    let rates = &edge.config.rates;
    let token = if tunnel.is_open() {
        None
    } else if is_authorization_discovery(parts.uri.path()) {
        return Err(Failure::NoAuthorizationServer);
    } else {
        edge.guesses.check(tunnel.id(), client).map_err(|wait| Failure::RateLimited {
            limit: Limit::Guesses,
            rate: rates.guess,
            wait,
        })?;
        let admitted = credential::admit(tunnel, &parts.headers);
        match admitted {
            Err(Failure::InvalidToken) => {
                edge.guesses.failed(tunnel.id(), client);
            }
            // Counted only here: whoever shows a right token is let in, however many others come without one.
            Err(Failure::MissingToken) => edge.strangers.take(tunnel.id(), client).map_err(|wait| {
                Failure::RateLimited { limit: Limit::MissingTokens, rate: rates.missing_token, wait }
            })?,
            _ => {}
        }
        let token = admitted?;
        let limited = |wait| Failure::RateLimited { limit: Limit::Token, rate: token.rate(), wait };
        token.bucket().take().map_err(limited)?;
        Some(token)
    };
    let limited = |wait| Failure::RateLimited { limit: Limit::Tunnel, rate: rates.tunnel, wait };
    tunnel.bucket().take().map_err(limited)?;
    Ok(token)
}

/// Where clients look for an authorization server before they have a token (RFC 8414 §3, RFC 9728 §3). A 401 there
/// would send them round in a circle.
fn is_authorization_discovery(path: &str) -> bool {
    // Some clients put it behind the endpoint's own path (OpenID Connect Discovery §4).
    path.ends_with("/.well-known/openid-configuration")
        || path
            .strip_prefix("/.well-known/")
            .is_some_and(|rest| rest.starts_with("oauth-") || rest.starts_with("openid-configuration"))
}

async fn apex(parts: Parts, edge: &Edge) -> Response<EdgeBody> {
    let request = Request::from_parts(parts, axum::body::Body::empty());
    let Ok(response) = edge.apex.clone().call(request).await;
    response.map(EdgeBody::apex)
}

/// The answer of the plain HTTP listener. Only requests that carry nothing are redirected: a client that follows with
/// its token would send it in clear each time, and nobody would notice.
pub(super) fn redirect<B>(request: &Request<B>, edge: &Edge) -> Response<EdgeBody> {
    let fields = request.headers();
    if let Some(proof) = proof(request, edge) {
        let mut response = Response::new(EdgeBody::full(proof.into()));
        // RFC 8555 §8.3 asks for this one, or for none.
        let octets = HeaderValue::from_static("application/octet-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, octets);
        return response;
    }
    let carries = fields.contains_key(header::AUTHORIZATION) || fields.contains_key(credential::X_API_KEY);
    if carries || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Failure::HttpsRequired.answer(fields);
    }
    let location = fields.get(header::HOST).and_then(|host| host.to_str().ok()).and_then(|host| {
        let (host, _) = gantz_shared::authority::parse(host).ok()?;
        if !host.is_within(edge.config.domain.as_str()) {
            return None;
        }
        let port = edge.public.port;
        let port = if edge.public.scheme == Scheme::HTTPS && port == 443 { String::new() } else { format!(":{port}") };
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        HeaderValue::try_from(format!("https://{}{port}{path}", host.as_str())).ok()
    });
    let Some(location) = location else { return Failure::Misdirected.answer(fields) };
    let mut response = Response::new(EdgeBody::Empty);
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// What a certificate authority has come for, where it has (RFC 8555 §8.3).
fn proof<B>(request: &Request<B>, edge: &Edge) -> Option<String> {
    let proofs = edge.proofs.as_ref().filter(|_| request.method() == Method::GET)?;
    let path = request.uri().path();
    if !path.starts_with(gantz_acme::HTTP_PATH) {
        return None;
    }
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    let (host, _) = gantz_shared::authority::parse(host).ok()?;
    proofs.answer(host.as_str(), path)
}

/// What the edge says when the agent gave a request up.
pub(super) fn given_up(code: StreamCode) -> Failure {
    match code {
        StreamCode::UpstreamUnavailable => Failure::UpstreamUnavailable,
        StreamCode::UpstreamTimeout => Failure::UpstreamTimeout,
        StreamCode::UpstreamInvalid => Failure::UpstreamInvalid,
        StreamCode::UpstreamLost => Failure::UpstreamLost,
        StreamCode::UpstreamTooLarge => Failure::UpstreamTooLarge,
        StreamCode::Leaving => Failure::AgentOffline,
        _ => Failure::TunnelLost,
    }
}
