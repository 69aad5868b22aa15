//! Looks at the local server before its URL is printed: is it up, does it speak HTTP, and on which path does it speak
//! MCP?

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::{sleep, timeout};

use super::{Target, causes};
use crate::config::UPSTREAM_RETRY;

/// How long the server may take to answer a look.
const LOOK_DEADLINE: Duration = Duration::from_secs(5);

/// The paths that are looked at, with what is asked there.
const STREAMABLE_HTTP: &str = "/mcp";
const HTTP_SSE: &str = "/sse";

/// A call that changes nothing: every era's server answers it, if only with an error of its own.
const PING: &[u8] = br#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#;

/// What a look has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// MCP is spoken on this path.
    Endpoint(String),
    /// It speaks HTTP, but neither path is MCP's.
    NoEndpoint,
    /// It answers with something else than HTTP.
    NotHttp(String),
}

/// Waits until the server takes connections. Cancel-safe.
pub async fn wait(target: &Target) {
    while !is_up(target).await {
        sleep(UPSTREAM_RETRY).await;
    }
}

/// Whether the server takes connections.
pub async fn is_up(target: &Target) -> bool {
    matches!(timeout(LOOK_DEADLINE, tokio::net::TcpStream::connect(target.host_port())).await, Ok(Ok(_)))
}

/// Looks at a server that is up.
///
/// # Errors
/// The target is no URL that can be called.
pub async fn look(target: &Target) -> Result<Found, String> {
    if let Some(path) = target.path() {
        // The user has said where. Whether it is HTTP is still worth knowing before a URL is handed out.
        let answer = ask(target, Method::HEAD, path).await?;
        return Ok(match answer {
            Answer::NotHttp(why) => Found::NotHttp(why),
            _ => Found::Endpoint(path.to_owned()),
        });
    }
    match ask(target, Method::POST, STREAMABLE_HTTP).await? {
        Answer::NotHttp(why) => return Ok(Found::NotHttp(why)),
        Answer::Http { status, .. } if !matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) => {
            return Ok(Found::Endpoint(STREAMABLE_HTTP.to_owned()));
        }
        _ => {}
    }
    Ok(match ask(target, Method::GET, HTTP_SSE).await? {
        Answer::NotHttp(why) => Found::NotHttp(why),
        Answer::Http { is_events: true, .. } => Found::Endpoint(HTTP_SSE.to_owned()),
        _ => Found::NoEndpoint,
    })
}

enum Answer {
    Http {
        status: StatusCode,
        is_events: bool,
    },
    NotHttp(String),
    /// It is up, and silent.
    None,
}

/// One request on a connection of its own. Its answer's body is not read: an event stream has no end.
async fn ask(target: &Target, method: Method, path: &str) -> Result<Answer, String> {
    let uri: Uri = target.url(path).map_err(|error| error.to_string())?;
    let body = if method == Method::POST { Bytes::from_static(PING) } else { Bytes::new() };
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::HOST, target.authority().as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    let client: Client<_, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build(super::Connector::new(target.scheme())?);
    match timeout(LOOK_DEADLINE, client.request(request)).await {
        Ok(Ok(response)) => Ok(Answer::Http {
            status: response.status(),
            is_events: gantz_shared::fields::is_event_stream(response.headers()),
        }),
        // What happened, without the client's own words around it.
        Ok(Err(error)) => Ok(Answer::NotHttp(causes(error.source().unwrap_or(&error)))),
        Err(_) => Ok(Answer::None),
    }
}
