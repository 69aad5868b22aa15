//! `GET /readyz`: whether callers and agents may be sent to this relay, and what is missing where not. It needs no token
//! and tells no secret.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::access::{AccessError, Keys};
use crate::listeners::{Listeners, Standing};
use crate::tls::Current;

/// How long the database may take for a write.
const STORE_DEADLINE: Duration = Duration::from_secs(2);

/// How long what it said holds: whoever asks does not make it write more often.
const STORE_EVERY: Duration = Duration::from_secs(1);

/// A certificate that expires within this is told: its renewal has failed for some time.
const SOON: time::Duration = time::Duration::days(7);

/// See the module's head.
pub(crate) struct Ready {
    certificate: Arc<Current>,
    /// None where nothing is kept.
    keys: Option<Keys>,
    listeners: Listeners,
    /// Cancelled when the relay begins to stop.
    stop: CancellationToken,
    store: Mutex<Store>,
}

/// The last write, and the one that has not ended: there is never more than one.
#[derive(Default)]
struct Store {
    last: Option<(Instant, Result<(), String>)>,
    asked: Option<BoxFuture<'static, Result<(), AccessError>>>,
}

/// What one check found.
#[derive(Serialize)]
struct Check {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Check {
    fn of(found: Result<(), String>) -> Self {
        Self { ok: found.is_ok(), reason: found.err(), warning: None, more: Map::new() }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }
}

impl Ready {
    pub(crate) fn new(
        certificate: Arc<Current>,
        keys: Option<Keys>,
        listeners: Listeners,
        stop: CancellationToken,
    ) -> Self {
        Self { certificate, keys, listeners, stop, store: Mutex::default() }
    }

    /// The certificate that callers and agents are shown; behind a proxy only agents are.
    fn certificate(&self) -> Check {
        let Some(expiry) = self.certificate.expiry() else {
            return Check::of(Err("there is no certificate yet".into()));
        };
        let left = expiry - OffsetDateTime::now_utc();
        let mut check = Check::of(if left.is_negative() { Err("the certificate has expired".into()) } else { Ok(()) });
        if check.ok && left < SOON {
            check.warning = Some(format!("the certificate expires in {} days", left.whole_days()));
        }
        if let Some(warning) = self.certificate.warning() {
            check.warning = Some(check.warning.map_or(warning.clone(), |first| format!("{first}; {warning}")));
        }
        match expiry.format(&Rfc3339) {
            Ok(expiry) => check.with("expires_at", expiry),
            Err(_) => check,
        }
    }

    /// The database: whether it takes a write.
    async fn store(&self) -> Check {
        let Some(keys) = &self.keys else { return Check::of(Ok(())) };
        let mut store = self.store.lock().await;
        if let Some((at, found)) = &store.last
            && at.elapsed() < STORE_EVERY
        {
            return Check::of(found.clone());
        }
        let keys = keys.clone();
        let asked = store.asked.get_or_insert_with(|| Box::pin(async move { keys.try_write().await }));
        let found = match timeout(STORE_DEADLINE, asked).await {
            Ok(found) => {
                store.asked = None;
                found.map_err(|error| format!("the database takes no write: {error}"))
            }
            Err(_) => Err(format!("the database did not take a write in {} s", STORE_DEADLINE.as_secs())),
        };
        store.last = Some((Instant::now(), found.clone()));
        Check::of(found)
    }

    fn listeners(&self) -> Check {
        let listeners = self.listeners.look();
        let closed: Vec<_> = listeners.iter().filter(|(_, standing)| **standing != Standing::Open).collect();
        let words = |(name, standing): &(&&str, &Standing)| match standing {
            Standing::Gone => format!("{name} is gone"),
            _ => format!("{name} is not open yet"),
        };
        let found =
            if closed.is_empty() { Ok(()) } else { Err(closed.iter().map(words).collect::<Vec<_>>().join(", ")) };
        listeners.into_iter().fold(Check::of(found), |check, (name, standing)| check.with(name, json!(standing)))
    }
}

/// 200 where callers and agents may come, else 503.
pub(super) async fn ready(State(ready): State<Arc<Ready>>) -> Response {
    let (certificate, store, listeners) = (ready.certificate(), ready.store().await, ready.listeners());
    let draining = ready.stop.is_cancelled();
    let is_ready = !draining && certificate.ok && store.ok && listeners.ok;
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let checks = json!({ "certificate": certificate, "store": store, "listeners": listeners });
    let said = json!({ "ready": is_ready, "draining": draining, "checks": checks });
    (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(said)).into_response()
}
