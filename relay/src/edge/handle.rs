//! One request, from its head to its answer: route, then policy in the order preflight, origin, credential, and then
//! the exchange with the agent.

use bytes::Bytes;
use gantz_shared::reset::StreamCode;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use std::sync::Arc;
use tower_service::Service;

use super::answer::Failure;
use super::body::EdgeBody;
use super::connection::Peer;
use super::exchange::{self, Admitted};
use super::linger::Lingering;
use super::route::{Target, route};

use super::{Edge, credential, forwarded, origin};
use crate::directory::Found;
use crate::tunnels::Tunnel;

/// Answers a request. Cancel-safe: dropped, it cancels the request at the local server.
pub(super) async fn handle<B>(mut request: Request<B>, edge: &Arc<Edge>, peer: &Peer) -> Response<EdgeBody>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display + Send,
{
    let on_upgrade = request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>();
    let (parts, body) = request.into_parts();
    // Whoever answers before the body has been read, the caller gets to read that answer.
    let body = Lingering::new(body, &parts, &edge.tasks);
    let route = match route(&parts, peer.sni.as_deref(), &edge.config) {
        Ok(route) => route,
        Err(failure) => return failure.answer(&parts.headers),
    };
    let found = match &route.target {
        Target::Apex => return apex(parts, edge).await,
        Target::Nothing => Found::Unknown,
        Target::Tunnel(name) => edge.directory.find(name),
        Target::Only => edge.directory.only(),
    };
    let tunnel = match found {
        Found::Here(tunnel) => tunnel,
        Found::Unknown => return Failure::TunnelNotFound.answer(&parts.headers),
        Found::Away(back) => match hold(edge, &route.target, &back).await {
            Some(tunnel) => tunnel,
            None => return Failure::AgentOffline.answer(&parts.headers),
        },
    };

    let origin = match origin::check(&parts, &route.authority, &tunnel.policy()) {
        Ok(origin) => origin,
        Err(failure) => return failure.answer(&parts.headers),
    };
    if let Some(origin) = &origin
        && origin::is_preflight(&parts)
    {
        return origin::preflight(&parts, origin);
    }
    let mut response = match admit(&tunnel, &parts) {
        Err(failure) => failure.answer(&parts.headers),
        Ok(token) => {
            let trusted = &edge.config.trusted_proxies;
            let admitted = Admitted {
                tunnel,
                token,
                authority: route.authority,
                scheme: forwarded::scheme(&parts.headers, peer.address, trusted, &edge.public.scheme),
                client: forwarded::client(&parts.headers, peer.address, trusted),
            };
            exchange::exchange(admitted, parts, body, on_upgrade, edge, peer).await
        }
    };
    if let Some(origin) = &origin {
        origin::allow(response.headers_mut(), origin);
    }
    response
}

/// The token's id; empty where the tunnel is open.
fn admit(tunnel: &Tunnel, parts: &Parts) -> Result<String, Failure> {
    if tunnel.policy().open {
        return Ok(String::new());
    }
    if is_authorization_discovery(parts.uri.path()) {
        return Err(Failure::NoAuthorizationServer);
    }
    credential::admit(tunnel, &parts.headers)
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

/// Waits for an agent that is away for a moment, if not too many wait already.
async fn hold(edge: &Edge, target: &Target, back: &tokio::sync::Notify) -> Option<Arc<Tunnel>> {
    let _permit = edge.held.try_acquire().ok()?;
    let find = || match match target {
        Target::Tunnel(name) => edge.directory.find(name),
        _ => edge.directory.only(),
    } {
        Found::Here(tunnel) => Some(tunnel),
        _ => None,
    };
    let notified = back.notified();
    // The agent may have come back between the first look and this one; from here on nothing is missed.
    if let Some(tunnel) = find() {
        return Some(tunnel);
    }
    tokio::time::timeout(edge.config.hold, notified).await.ok()?;
    find()
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

/// What the edge says when the agent gave a request up.
pub(super) fn given_up(code: StreamCode) -> Failure {
    match code {
        StreamCode::UpstreamUnavailable => Failure::UpstreamUnavailable,
        StreamCode::UpstreamTimeout => Failure::UpstreamTimeout,
        StreamCode::UpstreamInvalid | StreamCode::UpstreamLost => Failure::UpstreamInvalid,
        _ => Failure::TunnelLost,
    }
}
