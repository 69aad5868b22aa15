//! The transport of MCP 2024-11-05, HTTP with Server-Sent Events, as a bridge to the SDK.
//!
//! ```text
//! GET /sse ────────────── the stream ◀── answers ◀─┐
//!                                                   ├─ Pipe ── rmcp ── Demo
//! POST /messages?session_id=… ── 202 ──▶ inbox ──▶─┘
//! ```
//!
//! What always holds: a session is its stream. The stream's body owns all of it, so whatever ends the body (the
//! client leaves, the server stops) ends the session, and no task is left to forget.

use std::{future::ready, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, FromRequest, Query, Request, State,
        rejection::{BytesRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header::HOST, uri::Authority},
    middleware::{self, Next},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::{get, post},
};
use futures_util::{Stream, StreamExt, stream};
use rmcp::{ServiceExt, model::ServerJsonRpcMessage};
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    ALLOWED_HOSTS, KEEP_ALIVE, MAX_BODY_BYTES,
    refusal::Refusal,
    session::{Pipe, Session, Sessions},
    tools::Demo,
};

const STREAM_PATH: &str = "/sse";
const MESSAGES_PATH: &str = "/messages";

/// What both routes share.
#[derive(Debug, Clone)]
pub(super) struct Bridge {
    sessions: Sessions,
    handlers: Arc<Semaphore>,
    shutdown: CancellationToken,
}

#[derive(Debug, Deserialize)]
struct Address {
    session_id: Option<String>,
}

impl Bridge {
    pub(super) fn new(handlers: Arc<Semaphore>, shutdown: CancellationToken) -> Self {
        Self { sessions: Sessions::default(), handlers, shutdown }
    }

    pub(super) fn router(self) -> Router {
        Router::new()
            .route(STREAM_PATH, get(open))
            .route(MESSAGES_PATH, post(accept))
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .layer(middleware::from_fn(local_hosts_only))
            .with_state(self)
    }
}

/// `GET /sse`: a new session, and the stream that carries its answers.
async fn open(State(bridge): State<Bridge>) -> Result<impl IntoResponse, Refusal> {
    let demo = Demo::new(&bridge.handlers).map_err(|_| Refusal::TooManySessions)?;
    let (session, pipe, answers) = bridge.sessions.open()?;
    // Relative, so that it stays right under the public origin: SDK clients refuse an endpoint on another one.
    let endpoint = Event::default().event("endpoint").data(format!("{MESSAGES_PATH}?session_id={}", session.id()));
    let events = stream::once(ready(Ok(endpoint))).chain(messages(answers));
    let conversation = converse(session, demo, pipe, bridge.shutdown.child_token());
    // The conversation yields nothing: it is here to be driven, and dropped, with the body. The stream is over
    // when the conversation is and its last answer has been read.
    let body = stream::select(events, stream::once(conversation).filter_map(|()| ready(None)));
    Ok(Sse::new(body).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// `POST /messages`: one JSON-RPC message for an open session; its answer comes on that session's stream.
async fn accept(
    State(bridge): State<Bridge>,
    address: Result<Query<Address>, QueryRejection>,
    request: Request,
) -> Result<impl IntoResponse, Refusal> {
    let id = address.ok().and_then(|Query(address)| address.session_id).ok_or(Refusal::NoSession)?;
    // Before the body is read: a caller without a session costs no memory.
    let inbox = bridge.sessions.find(&id)?;
    let body = Bytes::from_request(request, &()).await.map_err(|refused: BytesRejection| {
        if refused.status() == StatusCode::PAYLOAD_TOO_LARGE { Refusal::TooLarge } else { Refusal::Truncated }
    })?;
    inbox.post(serde_json::from_slice(&body)?)?;
    Ok((StatusCode::ACCEPTED, "Accepted"))
}

/// Runs the SDK's side of a session until the session is told to stop. Dropping it stops it too: the SDK's own
/// task hangs on `stop`.
async fn converse(_session: Session, demo: Demo, pipe: Pipe, stop: CancellationToken) {
    match demo.serve_with_ct(pipe, stop).await {
        Ok(running) => {
            if let Err(error) = running.waiting().await {
                tracing::warn!(%error, "a demo session failed");
            }
        }
        Err(error) => tracing::debug!(%error, "a demo session ended before it began"),
    }
}

/// The answers as `message` events, each of one line of JSON.
fn messages(answers: mpsc::Receiver<ServerJsonRpcMessage>) -> impl Stream<Item = Result<Event, axum::Error>> {
    stream::unfold(answers, async |mut answers| {
        let answer = answers.recv().await?;
        Some((Event::default().event("message").json_data(answer), answers))
    })
}

/// A page in the user's browser can point a name of its own at 127.0.0.1 (DNS rebinding), but not forge `Host`.
/// The SDK does the same for `/mcp`.
async fn local_hosts_only(request: Request, next: Next) -> Result<Response, Refusal> {
    if names_this_machine(request.headers()) { Ok(next.run(request).await) } else { Err(Refusal::ForeignHost) }
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let authority = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    authority.is_some_and(|authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        ALLOWED_HOSTS.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    })
}
