//! Access keys and reserved names over HTTP. Every request shows the token of the state folder.
//!
//! | request | does |
//! |---|---|
//! | `GET /v1/keys` | all keys, with how many tunnels each has open |
//! | `POST /v1/keys` `{label, tunnels?, names?, rate?, expires?}` | a new key, told in this answer only |
//! | `DELETE /v1/keys/ID` | revokes it, or all of a label; their tunnels are closed when the answer comes |
//! | `GET /v1/names` | reserved names |
//! | `DELETE /v1/names/NAME` | frees one |

use std::path::Path as FilePath;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use gantz_shared::name::Name;
use gantz_shared::rate::Rate;
use gantz_shared::token::Digest;
use serde::Deserialize;
use serde_json::json;

use super::answer::{fine, wrong};
use super::token;
use crate::access::{AccessError, Expiry, Key, Keys, NameGlobs, Terms, described, reserved};

/// See the module's head.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    keys: Keys,
    token: Arc<Digest>,
}

impl Api {
    /// With the token in `dir`, which is made when there is none.
    pub(crate) fn new(keys: Keys, dir: &FilePath) -> Result<Self, AccessError> {
        Ok(Self { keys, token: Arc::new(token::load(dir)?) })
    }

    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/keys", get(keys).post(add))
            .route("/keys/{which}", delete(revoke))
            .route("/names", get(names))
            .route("/names/{name}", delete(release))
            .fallback(async || wrong(StatusCode::NOT_FOUND, "not_found", "there is nothing here"))
            .layer(middleware::from_fn_with_state(self.clone(), guard))
            .with_state(self)
    }
}

async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    if token::is_shown(request.headers(), &api.token) {
        return next.run(request).await;
    }
    let message = "show the token of the file admin.token in the relay's state folder: Authorization: Bearer gza_…";
    let mut answer = wrong(StatusCode::UNAUTHORIZED, "unauthorized", message);
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    answer
}

async fn keys(State(api): State<Api>) -> Response {
    let keys = api.keys.book().list();
    let keys = keys.into_iter().map(|(key, open)| {
        let mut described = described(&key);
        described["open"] = open.into();
        described
    });
    fine(StatusCode::OK, json!({ "keys": keys.collect::<Vec<_>>() }))
}

/// What a key is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    label: String,
    tunnels: Option<u32>,
    names: Option<String>,
    rate: Option<Rate>,
    #[serde(default)]
    expires: Expiry,
}

/// The body is JSON whatever is said of its type.
async fn add(State(api): State<Api>, body: Bytes) -> Response {
    let invalid = |why: &str| wrong(StatusCode::UNPROCESSABLE_ENTITY, "invalid", why);
    let wanted: Wanted = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(error) => return invalid(&error.to_string()),
    };
    if wanted.tunnels == Some(0) {
        return invalid("a key may have at least one tunnel");
    }
    let names = match wanted.names.map(|globs| globs.parse::<NameGlobs>()).transpose() {
        Ok(names) => names,
        Err(why) => return invalid(&why),
    };
    let Wanted { label, tunnels, rate, expires, .. } = wanted;
    match api.keys.add(Terms { label, tunnels, names, rate, expires_at: expires.0 }).await {
        Ok((key, secret)) => {
            let made = crate::access::made(&key, &secret);
            ([(header::CACHE_CONTROL, "no-store")], (StatusCode::CREATED, Json(made))).into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn revoke(State(api): State<Api>, Path(which): Path<String>) -> Response {
    match api.keys.revoke(which).await {
        Ok(keys) => fine(StatusCode::OK, json!({ "revoked": keys.iter().map(Key::id).collect::<Vec<_>>() })),
        Err(error) => error.into_response(),
    }
}

async fn names(State(api): State<Api>) -> Response {
    match api.keys.names().await {
        Ok(names) => fine(StatusCode::OK, json!({ "names": names.iter().map(reserved).collect::<Vec<_>>() })),
        Err(error) => error.into_response(),
    }
}

async fn release(State(api): State<Api>, Path(name): Path<String>) -> Response {
    let unknown = || wrong(StatusCode::NOT_FOUND, "unknown_name", "no such name is reserved");
    let Ok(name) = Name::parse(&name) else { return unknown() };
    match api.keys.release(name.clone()).await {
        Ok(true) => fine(StatusCode::OK, json!({ "released": name })),
        Ok(false) => unknown(),
        Err(error) => error.into_response(),
    }
}
