//! The other callers: one after the other on a kept connection, with a pause, on a thread of their own.

use std::time::{Duration, Instant};

use gantz_tests::client::trusting;

use crate::relay::Target;

/// Between an answer and the next call: a caller in a closed loop would only measure itself.
const PAUSE: Duration = Duration::from_millis(2);

/// How long answers took, in order.
pub(crate) struct Took(Vec<Duration>);

impl Took {
    /// So many percent took at most this, milliseconds.
    pub(crate) fn at(&self, percent: usize) -> f64 {
        self.0.get((self.0.len() - 1) * percent / 100).map_or(0.0, |took| 1e3 * took.as_secs_f64())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Calls for `time`.
pub(crate) async fn call(target: &Target, time: Duration) -> Took {
    let target = target.clone();
    let calls = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(calls(&target, time))
    };
    tokio::task::spawn_blocking(calls).await.unwrap()
}

async fn calls(target: &Target, time: Duration) -> Took {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(trusting(&target.pem, &[b"h2"]))
        .resolve(&target.host, ([127, 0, 0, 1], target.port).into())
        .no_proxy()
        .build()
        .unwrap();
    let url = format!("https://{}:{}/mcp", target.host, target.port);
    let mut took = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < time {
        let started = Instant::now();
        let call = client.get(&url).bearer_auth(&target.token).send();
        let answer = gantz_tests::within("another caller's answer", call).await.unwrap();
        // The demo has no stream for a GET without a session; it is the local server who says so.
        assert!(!answer.headers().contains_key("gantz-error"), "{answer:?}");
        answer.bytes().await.unwrap();
        // The first one opened the connection.
        took.push(started.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    took.remove(0);
    took.sort_unstable();
    Took(took)
}
