//! Calls, begun at a steady pace whatever has become of those before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use gantz_agent::permissions::Refusal;
use gantz_shared::answers::Row;
use http::StatusCode;
use http::header::RETRY_AFTER;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use super::tally::{Tally, Written};
use super::{Caller, NO_ANSWER, PACE};

/// What a body of a call that writes weighs: more than a packet.
const BODY: usize = 4000;

/// What a call does.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// GET: made twice, it does no harm.
    Read,
    /// POST: it must not be carried out twice.
    Write,
}

/// Calls until it is told to stop, and waits for the last answer.
pub(super) async fn steady(caller: Arc<Caller>, kind: Kind, stop: CancellationToken) {
    let mut calls = JoinSet::new();
    let mut ticks = tokio::time::interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let caller = caller.clone();
        calls.spawn(async move { call(&caller, kind).await });
        while calls.try_join_next().is_some_and(|ended| ended.is_ok()) {}
    }
    calls.join_all().await;
}

/// One call. Whether the server's own answer came whole.
pub(super) async fn call(caller: &Caller, kind: Kind) -> bool {
    static IDS: AtomicU64 = AtomicU64::new(0);
    let id = IDS.fetch_add(1, Ordering::Relaxed);
    let (what, request, wanted) = match kind {
        Kind::Read => ("GET", caller.http1.get(format!("{}/read/{id}", caller.aim.url)), format!("read {id}")),
        Kind::Write => {
            let request = caller.http1.post(format!("{}/write/{id}", caller.aim.url)).body(vec![b'x'; BODY]);
            ("POST", request, format!("wrote {id}: {BODY}"))
        }
    };
    let written = |came: Written| {
        if matches!(kind, Kind::Write) {
            caller.tally.written(id, came);
        }
    };
    // Until something else is known of it.
    written(Written::Perhaps);
    let answer = match refusable(&caller.tally, what, request.bearer_auth(&caller.aim.token)).await {
        Answered::Server(answer) => answer,
        Answered::Unheard => {
            written(Written::Never);
            return false;
        }
        Answered::Failed => return false,
    };
    match timeout(NO_ANSWER, answer.text()).await {
        Err(_) => caller.tally.fault(format!("{what} {id}: the answer stopped")),
        // Its body was reset, as a body is that is not whole.
        Ok(Err(_)) => caller.tally.count(&format!("{what} cut")),
        Ok(Ok(text)) if text == wanted => {
            caller.tally.count(&format!("{what} 200"));
            written(Written::Once);
            return true;
        }
        Ok(Ok(text)) => caller.tally.fault(format!("{what} {id} was answered with {text:?}")),
    }
    false
}

/// What has become of a request.
enum Answered {
    /// The server answers.
    Server(reqwest::Response),
    /// gantz has answered that the server has heard nothing of it.
    Unheard,
    /// gantz has answered something else, or nobody has.
    Failed,
}

/// The server's answer; what else it is, is written down.
pub(super) async fn answered(tally: &Tally, what: &str, request: reqwest::RequestBuilder) -> Option<reqwest::Response> {
    match refusable(tally, what, request).await {
        Answered::Server(answer) => Some(answer),
        Answered::Unheard | Answered::Failed => None,
    }
}

async fn refusable(tally: &Tally, what: &str, request: reqwest::RequestBuilder) -> Answered {
    let answer = match timeout(NO_ANSWER, request.send()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            let why = if error.is_connect() { "no connection" } else { "no answer" };
            tally.unanswered(&format!("{what} {why}"), &error);
            return Answered::Failed;
        }
        Err(_) => {
            tally.fault(format!("{what}: no answer in {NO_ANSWER:?}"));
            return Answered::Failed;
        }
    };
    let status = answer.status();
    if status == StatusCode::OK {
        return Answered::Server(answer);
    }
    let code = answer.headers().get("gantz-error").and_then(|code| code.to_str().ok()).unwrap_or_default().to_owned();
    let is_unheard = answer.headers().contains_key(RETRY_AFTER);
    tally.count(&format!("{what} {} {code}", status.as_u16()));
    if !OUTAGES.contains(&(status, code.as_str())) {
        tally.fault(format!("{what}: {status} {code:?} is no documented answer to an outage"));
    }
    if (status == StatusCode::SERVICE_UNAVAILABLE) != is_unheard {
        tally.fault(format!("{what}: {status} {code}, Retry-After: {is_unheard}"));
    }
    match timeout(NO_ANSWER, answer.json::<serde_json::Value>()).await {
        Ok(Ok(body)) if body["error"] == code.as_str() => {}
        other => tally.fault(format!("{what}: {status} {code} with the body {other:?}")),
    }
    if is_unheard { Answered::Unheard } else { Answered::Failed }
}

/// The rows of the public table that a bad network may bring about: there, and nowhere else, are their statuses.
static OUTAGES: LazyLock<BTreeSet<Row>> = LazyLock::new(|| {
    let codes = ["tunnel_lost", "agent_offline", "tunnel_busy"];
    let rows: BTreeSet<Row> =
        gantz_relay::answers().chain(Refusal::rows()).filter(|(_, code)| codes.contains(code)).collect();
    assert_eq!(rows.len(), codes.len(), "{rows:?}");
    rows
});
