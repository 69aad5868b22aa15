//! What the admin API answers: JSON, also where something is wrong.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::access::AccessError;

/// An answer without a failure.
pub(super) fn fine(status: StatusCode, value: Value) -> Response {
    (status, Json(value)).into_response()
}

/// What is wrong, for programs and for people.
pub(super) fn wrong(status: StatusCode, error: &str, message: &str) -> Response {
    (status, Json(json!({ "error": error, "message": message }))).into_response()
}

impl IntoResponse for AccessError {
    fn into_response(self) -> Response {
        let (status, error) = match &self {
            Self::UnknownKey(_) => (StatusCode::NOT_FOUND, "unknown_key"),
            Self::BadLabel => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::TooManyKeys => (StatusCode::CONFLICT, "too_many_keys"),
            Self::Closed => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
            other => {
                tracing::error!(error = %other, "admin API");
                (StatusCode::INTERNAL_SERVER_ERROR, "not_kept")
            }
        };
        wrong(status, error, &self.to_string())
    }
}
