//! A new relay process takes over from the one that runs: no caller is turned away, and no stream is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use futures_util::StreamExt;
use gantz_tests::{Origin, within};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::process::Running;
use crate::relay_process::{RelayProcess, client};

/// Events of a stream that is open all the while, one every 50 ms.
const EVENTS: usize = 120;

/// Calls of each caller that have to be answered before the relay is relieved, and after.
const CALLS: usize = 50;

/// A tunnel, and how to call it.
struct Tunnel {
    _agent: Running,
    url: String,
    token: String,
}

impl Tunnel {
    async fn open(relay: &RelayProcess, server: &Origin) -> Self {
        let mut agent = relay.run(&format!("{} --auth --json --new", server.address())).start();
        let ready: Value = serde_json::from_str(&agent.stdout.line(r#""event":"ready""#).await).unwrap();
        let text = |key: &str| ready[key].as_str().unwrap().to_owned();
        Self { url: text("url"), token: text("token"), _agent: agent }
    }

    fn at(&self, path: &str) -> String {
        let mut url: reqwest::Url = self.url.parse().unwrap();
        url.set_path(path);
        url.into()
    }
}

/// Callers that go on until they are told to stop, and stop at the first answer that is none.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Vec<Arc<AtomicUsize>>,
    callers: JoinSet<()>,
}

impl Load {
    fn start(tunnels: &[Tunnel], roots: &RootCertStore) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let (mut answered, mut callers) = (Vec::new(), JoinSet::new());
        // One that keeps its connection, and one that makes a new one each time.
        for (tunnel, keeps) in tunnels.iter().flat_map(|tunnel| [(tunnel, true), (tunnel, false)]) {
            let (url, token, roots) = (tunnel.at("/call"), tunnel.token.clone(), roots.clone());
            let (stop, count) = (stop.clone(), Arc::<AtomicUsize>::default());
            answered.push(count.clone());
            callers.spawn(async move {
                let mut caller = client(&url, roots.clone());
                while !stop.load(Ordering::Relaxed) {
                    let answer = caller.post(&url).bearer_auth(&token).body("once").send().await;
                    let answer = answer.unwrap_or_else(|error| panic!("keeps {keeps}: {error:?}"));
                    let (status, text) = (answer.status(), answer.text().await.unwrap());
                    assert_eq!((status.as_u16(), text.as_str()), (200, "done"), "keeps {keeps}");
                    count.fetch_add(1, Ordering::Relaxed);
                    if !keeps {
                        caller = client(&url, roots.clone());
                    }
                }
            });
        }
        Self { stop, answered, callers }
    }

    /// Waits until everybody has had so many answers more.
    async fn go_on(&mut self, calls: usize) {
        let until: Vec<_> = self.answered.iter().map(|count| count.load(Ordering::Relaxed) + calls).collect();
        let all = async {
            while self.answered.iter().zip(&until).any(|(count, until)| count.load(Ordering::Relaxed) < *until) {
                tokio::select! {
                    Some(ended) = self.callers.join_next() => ended.unwrap(),
                    () = tokio::time::sleep(Duration::from_millis(10)) => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), all).await.expect("callers get on");
    }

    async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = within("the last answer", self.callers.join_next()).await {
            ended.unwrap();
        }
    }
}

fn server() -> Origin {
    let events = || async {
        let numbers = futures_util::stream::iter(0..EVENTS).then(|number| async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<_, std::convert::Infallible>(Event::default().data(number.to_string()))
        });
        Sse::new(numbers)
    };
    Origin::axum(Router::new().route("/events", get(events)).route("/call", post(async |_: Bytes| "done")))
}

#[tokio::test]
async fn a_new_process_takes_over_and_no_caller_notices() {
    let (relay, server) = (RelayProcess::patient().await, server());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(relay.ca()).unwrap()).unwrap();
    let tunnels = [Tunnel::open(&relay, &server).await, Tunnel::open(&relay, &server).await];
    let stream = {
        let url = tunnels[0].at("/events");
        let answer = client(&url, roots.clone()).get(&url).bearer_auth(&tunnels[0].token).send().await.unwrap();
        tokio::spawn(async move { answer.text().await })
    };
    let mut load = Load::start(&tunnels, &roots);
    load.go_on(CALLS).await;

    let second = relay.successor().await;
    let first_ended = tokio::time::timeout(Duration::from_secs(40), relay.running.end()).await.expect("it lets go");
    assert_eq!(first_ended.code(), Some(0), "{first_ended}");
    assert!(first_ended.stderr.contains("another process has taken over"), "{first_ended}");
    assert!(first_ended.stderr.contains("every stream had finished"), "{first_ended}");
    assert!(second.stderr.now().contains("the agents have moved here moved=2"), "{}", second.stderr.now());
    load.go_on(CALLS).await;
    load.end().await;

    let text = within("the stream", stream).await.unwrap().expect("it came to its end");
    let got: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let all: Vec<_> = (0..EVENTS).map(|number| number.to_string()).collect();
    assert_eq!(got, all);
}
