//! A relay spreads tunnels over its workers, a thread each, and serves callers where the tunnel is driven that they call.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use axum::Router;
use axum::routing::get;
use gantz_tests::Origin;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use crate::process::{Running, gantz_relay};
use crate::relay_process::{RelayProcess, client};

/// Calls of a tunnel, one after the other: a thread that has to do with them goes to sleep after each.
const CALLS: u64 = 400;

/// How often a thread may stop running meanwhile that has nothing to do with them: for tunnels that are kept alive, and
/// timers.
const ELSEWHERE: u64 = CALLS / 4;

/// Each of three tunnels keeps another one of the three threads busy, and none of the others: over QUIC none but the first,
/// which takes in whatever comes over UDP.
#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "how often a thread has stopped running is in Linux's /proc only")]
async fn callers_are_served_where_their_tunnel_is_driven() {
    for (tls, transport) in [("off", "quic"), ("self-signed", "quic"), ("self-signed", "tcp")] {
        let relay = RelayProcess::with(&format!("--workers 3 --tls {tls}")).await;
        let server = Origin::axum(Router::new().route("/call", get(async || "done")));
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(relay.ca()).unwrap()).unwrap();
        let mut driven = BTreeSet::new();
        let mut agents = Vec::new();
        for _ in 0..3 {
            let run = relay.run(&format!("{} --auth --json --new --transport {transport}", server.address()));
            let mut agent = run.start();
            let ready: Value = serde_json::from_str(&agent.stdout.line(r#""event":"ready""#).await).unwrap();
            agents.push(agent);
            let url = ready["url"].as_str().unwrap();
            let caller = client(url, roots.clone());
            let url = reqwest::Url::parse(url).unwrap().join("/call").unwrap();
            let call = async || {
                let answer =
                    caller.get(url.clone()).bearer_auth(ready["token"].as_str().unwrap()).send().await.unwrap();
                assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "done"));
            };
            // The connection is there, and has moved to where it belongs.
            call().await;
            let before = stops(&relay.running);
            for _ in 0..CALLS {
                call().await;
            }
            let mut busy = BTreeSet::new();
            for (thread, after) in stops(&relay.running) {
                let stops = after - before[&thread];
                if transport == "quic" && thread == relay.running.id().to_string() {
                    continue;
                }
                let (is_busy, is_idle) = (stops > CALLS / 2, stops < ELSEWHERE);
                assert!(is_busy || is_idle, "{tls}, {transport}: {thread} has stopped {stops} times");
                if is_busy {
                    busy.insert(thread);
                }
            }
            assert!(busy.len() <= 1, "{tls}, {transport}: {busy:?} for one tunnel");
            driven.insert(busy);
        }
        assert_eq!(driven.len(), 3, "{tls}, {transport}: {driven:?}");
    }
}

/// How often each worker's thread has stopped running, because it had nothing to do or others had.
fn stops(relay: &Running) -> BTreeMap<String, u64> {
    let threads = PathBuf::from(format!("/proc/{}/task", relay.id()));
    let mut stops = BTreeMap::new();
    for thread in std::fs::read_dir(threads).unwrap() {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let of = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        let count = |name: &str| of(name).parse::<u64>().unwrap();
        // The first one's thread is the process's own. The system keeps 15 characters of a name.
        if of("Pid:") == relay.id().to_string() || of("Name:").starts_with("gantz-worker") {
            let times = count("voluntary_ctxt_switches:") + count("nonvoluntary_ctxt_switches:");
            stops.insert(of("Pid:").to_owned(), times);
        }
    }
    assert_eq!(stops.len(), 3, "threads of workers");
    stops
}

#[tokio::test]
async fn a_number_that_there_cannot_be_is_refused() {
    for number in ["0", "257", "many"] {
        let ended = gantz_relay(&format!("serve --domain relay.test --workers {number}")).end().await;
        assert_eq!(ended.code(), Some(2), "{ended}");
        assert!(ended.stderr.contains("--workers"), "{ended}");
    }
}
