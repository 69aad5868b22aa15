//! Asks the local server which tools it has, in nobody's name: so that a token's globs can be checked when it is made,
//! and that what a token for read-only tools may call is decided by nothing that callers have a hand in.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gantz_shared::wire::head::RequestHead;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Interim, RequestBody, Upstream, UpstreamError};
use crate::permissions::{self, MAX_TOOLS, Page, Tool, ToolBook};

/// How long one answer may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

/// Longest answer that is read, bytes.
const MAX_LIST: usize = 1 << 20;

/// Pages of one list that are read. What is on a later one is not known.
const MAX_PAGES: usize = 64;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The revision without sessions, and the newest with them.
const STATELESS: &str = "2026-07-28";
const WITH_SESSIONS: &str = "2025-11-25";

/// Why the tools are not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// It was not called.
    #[error(transparent)]
    Call(#[from] UpstreamError),
    /// It did not answer in time, or broke off.
    #[error("the local server did not finish its answer")]
    Unfinished,
    /// It has answered with something else.
    #[error("the local server does not list its tools over Streamable HTTP")]
    NoList,
}

/// Lists the tools of the server that speaks Streamable HTTP on `path` into `book`, in place of what is there: without a
/// session where it can do that, in one that ends at once where it cannot. With `Config::upstream_headers`, and no
/// other credential.
///
/// # Errors
/// [`ListError`]; `book` is as it was. A server that speaks HTTP+SSE only is one of them, and one that asks for a
/// credential that only callers have.
pub async fn list(upstream: &Upstream, path: &PathAndQuery, book: &ToolBook) -> Result<(), ListError> {
    let ask = Ask { upstream, path };
    let stateless = [
        (VERSION, HeaderValue::from_static(STATELESS)),
        (HeaderName::from_static("mcp-method"), HeaderValue::from_static("tools/list")),
    ];
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    if let Some(tools) = ask.pages(&stateless, &json!({ "_meta": meta })).await? {
        book.replace(&tools);
        return Ok(());
    }

    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": WITH_SESSIONS,
        "capabilities": {},
        "clientInfo": { "name": "gantz", "version": env!("CARGO_PKG_VERSION") },
    } });
    let welcome = ask.post(&[], &hello).await?;
    if welcome.status != StatusCode::OK {
        return Err(ListError::NoList);
    }
    let mut in_session = vec![(VERSION, HeaderValue::from_static(WITH_SESSIONS))];
    let session = welcome.fields.get(SESSION).cloned();
    in_session.extend(session.clone().map(|session| (SESSION, session)));
    ask.post(&in_session, &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
    let tools = ask.pages(&in_session, &json!({})).await;
    if session.is_some()
        && let Err(error) = ask.send(Method::DELETE, &in_session, RequestBody::Empty).await
    {
        tracing::debug!(%error, "session not ended");
    }
    book.replace(&tools?.ok_or(ListError::NoList)?);
    Ok(())
}

struct Ask<'a> {
    upstream: &'a Upstream,
    path: &'a PathAndQuery,
}

struct Answer {
    status: StatusCode,
    fields: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// The page of the list in it.
    fn page(&self) -> Option<Page> {
        permissions::page(&self.fields, &self.body).filter(|_| self.status == StatusCode::OK)
    }
}

impl Ask<'_> {
    /// All tools, page by page; `None` where the first answer lists none. A later one that does not is an error: what
    /// is missing would be taken for gone.
    async fn pages(
        &self,
        fields: &[(HeaderName, HeaderValue)],
        params: &Value,
    ) -> Result<Option<Vec<Tool>>, ListError> {
        let (mut tools, mut params) = (Vec::new(), params.clone());
        for page in 0..MAX_PAGES {
            let list = json!({ "jsonrpc": "2.0", "id": page, "method": "tools/list", "params": params });
            match self.post(fields, &list).await?.page() {
                None if page == 0 => return Ok(None),
                None => return Err(ListError::NoList),
                Some(page) => {
                    tools.extend(page.tools);
                    match page.next.filter(|_| tools.len() < MAX_TOOLS) {
                        Some(cursor) => params["cursor"] = cursor.into(),
                        None => break,
                    }
                }
            }
        }
        Ok(Some(tools))
    }

    async fn post(&self, fields: &[(HeaderName, HeaderValue)], message: &Value) -> Result<Answer, ListError> {
        self.send(Method::POST, fields, RequestBody::whole(message.to_string().into())).await
    }

    async fn send(
        &self,
        method: Method,
        fields: &[(HeaderName, HeaderValue)],
        body: RequestBody,
    ) -> Result<Answer, ListError> {
        let mut all = HeaderMap::new();
        all.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        all.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        all.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        all.extend(fields.iter().cloned());
        let target = self.upstream.target();
        let head = RequestHead {
            method,
            scheme: target.scheme().clone(),
            has_body: true,
            authority: target.authority().clone(),
            path: self.path.clone(),
            client: None,
            token: String::new(),
            upgrade: None,
            fields: all,
        };
        let exchange = async {
            let (parts, mut body) = self.upstream.call(head, body, Arc::new(Interim::default())).await?.into_parts();
            let mut read = BytesMut::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|_| ListError::Unfinished)?;
                if let Some(piece) = frame.data_ref() {
                    if read.len() + piece.len() > MAX_LIST {
                        return Err(ListError::Unfinished);
                    }
                    read.extend_from_slice(piece);
                }
            }
            Ok(Answer { status: parts.status, fields: parts.headers, body: read.freeze() })
        };
        timeout(ANSWER_DEADLINE, exchange).await.map_err(|_| ListError::Unfinished)?
    }
}
