//! Looks at the local server before its URL is printed: is it up, does it speak HTTP, and on which path does it speak
//! MCP?

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use gantz_shared::fields::is_event_stream;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use tokio::time::{sleep, timeout};
use url::{Position, Url};

use super::pool::{AnswerBody, Pool};
use super::{Own, RequestBody, Target, causes};
use crate::config::{Config, UPSTREAM_RETRY};

/// How long the server may take to answer a look.
const LOOK_DEADLINE: Duration = Duration::from_secs(5);

/// The paths that are looked at, with what is asked there.
const STREAMABLE_HTTP: &str = "/mcp";
const HTTP_SSE: &str = "/sse";

/// How many times a look is sent on, on the server itself: to the same path with a slash behind it is common.
const MAX_REDIRECTS: usize = 3;

/// A call that changes nothing: every era's server answers it, if only with an error of its own.
const PING: &[u8] = br#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#;

/// What a look has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// MCP is spoken on this path.
    Endpoint(String),
    /// Something on this path lets nobody in without a credential of the server's own (401, 403): which is as far as a
    /// look gets.
    Guarded(String, StatusCode),
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

/// Looks at the local server of `config`, which is up, in the way in which it will be called.
///
/// # Errors
/// The target is no URL that can be called.
pub async fn look(config: &Config) -> Result<Found, String> {
    if let Some(path) = config.target.path() {
        // The user has said where. Whether it is HTTP is still worth knowing before a URL is handed out.
        return Ok(match ask(config, Method::HEAD, path).await? {
            Answer::NotHttp(why) => Found::NotHttp(why),
            Answer::Http { status, .. } if is_guarded(status) => Found::Guarded(path.to_owned(), status),
            _ => Found::Endpoint(path.to_owned()),
        });
    }
    let (path, answer) = follow(config, Method::POST, STREAMABLE_HTTP).await?;
    let guarded = match answer {
        Answer::NotHttp(why) => return Ok(Found::NotHttp(why)),
        // No proof: some servers ask for a credential before they look at the path. An event stream on the other path
        // is one.
        Answer::Http { status, .. } if is_guarded(status) => Some(Found::Guarded(path, status)),
        Answer::Http { status, is_page, .. } if !is_page && is_understood(status) => {
            return Ok(Found::Endpoint(path));
        }
        Answer::Http { .. } | Answer::None => None,
    };
    let (path, answer) = follow(config, Method::GET, HTTP_SSE).await?;
    Ok(match (answer, guarded) {
        (Answer::Http { is_events: true, .. }, _) => Found::Endpoint(path),
        (_, Some(guarded)) => guarded,
        (Answer::Http { status, .. }, None) if is_guarded(status) => Found::Guarded(path, status),
        (Answer::NotHttp(why), None) => Found::NotHttp(why),
        _ => Found::NoEndpoint,
    })
}

/// Whether a server that got a ping may have taken it for one. Servers of MCP answer it, say that a session or a header
/// is missing, or that they do not like what is accepted; what other servers say to a POST is none of these.
fn is_understood(status: StatusCode) -> bool {
    status.is_success()
        || (status.is_client_error()
            && !matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE))
}

fn is_guarded(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

enum Answer {
    Http {
        status: StatusCode,
        is_events: bool,
        /// It is HTML: for people.
        is_page: bool,
        /// The same call is for this path of the server (RFC 9110 §15.4.8, §15.4.9).
        moved: Option<String>,
    },
    NotHttp(String),
    /// It is up, and silent.
    None,
}

/// Asks where the server sends the call, a few times at most, and says where that was.
async fn follow(config: &Config, method: Method, path: &str) -> Result<(String, Answer), String> {
    let mut path = path.to_owned();
    for _ in 0..MAX_REDIRECTS {
        match ask(config, method.clone(), &path).await? {
            Answer::Http { moved: Some(to), .. } => path = to,
            answer => return Ok((path, answer)),
        }
    }
    let answer = ask(config, method, &path).await?;
    Ok((path, answer))
}

/// Where an answer from `from` sends a call that is to stay as it is, if that is on this server. References are what RFC
/// 3986 §5 makes of them.
fn moved(answer: &Response<AnswerBody>, config: &Config, from: &Uri) -> Option<String> {
    if !matches!(answer.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
        return None;
    }
    let location = std::str::from_utf8(answer.headers().get(header::LOCATION)?.as_bytes()).ok()?;
    let own = Own::new(&config.target, config.host_header.as_ref());
    if let Some(path) = own.path(location) {
        return Some(path.as_str().to_owned());
    }
    let from = Url::parse(&from.to_string()).ok()?;
    let to = from.join(location).ok().filter(|to| to.origin() == from.origin())?;
    Some(to[Position::BeforePath..Position::AfterQuery].parse::<PathAndQuery>().ok()?.as_str().to_owned())
}

/// One request on a connection of its own. Its answer's body is not read: an event stream has no end.
async fn ask(config: &Config, method: Method, path: &str) -> Result<Answer, String> {
    let target = &config.target;
    let uri: Uri = target.url(path).map_err(|error| error.to_string())?;
    let body = if method == Method::POST { Bytes::from_static(PING) } else { Bytes::new() };
    let mut request = Request::new(RequestBody::whole(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")).into();
    let fields = request.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fields.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    // As in every call (`super::head`): a server that checks its Host, or asks for a credential, is to let this in too.
    let host = match &config.host_header {
        Some(host) => host.clone(),
        None => HeaderValue::from_str(target.authority().as_str()).map_err(|error| error.to_string())?,
    };
    fields.insert(header::HOST, host);
    for (name, value) in &config.upstream_headers {
        fields.insert(name.clone(), value.clone());
    }
    let pool = Pool::new(target.scheme(), target.authority())?;
    match timeout(LOOK_DEADLINE, pool.call(request)).await {
        Ok(Ok(response)) => Ok(Answer::Http {
            status: response.status(),
            is_events: response.status().is_success() && is_event_stream(response.headers()),
            is_page: response
                .headers()
                .get(header::CONTENT_TYPE)
                .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"text/html")),
            moved: moved(&response, config, &uri),
        }),
        // What happened, without the client's own words around it.
        Ok(Err(error)) => Ok(Answer::NotHttp(causes(error.source().unwrap_or(&error)))),
        Err(_) => Ok(Answer::None),
    }
}
