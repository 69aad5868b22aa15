//! Every way in which the demo itself refuses a request (`/mcp` is the SDK's, and has its own).

use axum::{
    Json,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{MAX_BODY_BYTES, MAX_QUEUED_MESSAGES, MAX_SSE_SESSIONS};

/// When to try again, in seconds, after a refusal that time can heal.
const RETRY_AFTER_SECONDS: &str = "1";

/// A request refused: its text is the public message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum Refusal {
    #[error("this demo server speaks MCP at /mcp (Streamable HTTP) and at /sse (HTTP+SSE, 2024-11-05)")]
    NoSuchPath,
    #[error("the Host header must name this machine: localhost, 127.0.0.1 or [::1], with any port")]
    ForeignHost,
    #[error("the session_id parameter is missing: send messages to the URL of the stream's first event")]
    NoSession,
    #[error("no such session: it ends with its stream. Open a new one with GET /sse")]
    UnknownSession,
    #[error("all {MAX_SSE_SESSIONS} sessions are in use: close one, or try again later")]
    TooManySessions,
    #[error("this session has {MAX_QUEUED_MESSAGES} messages waiting: read its stream, or try again later")]
    TooManyMessages,
    #[error("the body is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    #[error("the body ended early")]
    Truncated,
    #[error("the body is not one JSON-RPC message of MCP: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl Refusal {
    /// The status, and the name a program can go by.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoSuchPath => (StatusCode::NOT_FOUND, "not_found"),
            Self::ForeignHost => (StatusCode::FORBIDDEN, "foreign_host"),
            Self::NoSession => (StatusCode::BAD_REQUEST, "missing_session"),
            Self::UnknownSession => (StatusCode::NOT_FOUND, "unknown_session"),
            Self::TooManySessions => (StatusCode::SERVICE_UNAVAILABLE, "too_many_sessions"),
            Self::TooManyMessages => (StatusCode::SERVICE_UNAVAILABLE, "too_many_messages"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::Truncated => (StatusCode::BAD_REQUEST, "truncated_body"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed_message"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error) = self.kind();
        let body = Json(json!({ "error": error, "message": self.to_string() }));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            (status, [(RETRY_AFTER, RETRY_AFTER_SECONDS)], body).into_response()
        } else {
            (status, body).into_response()
        }
    }
}
