//! One tunnel of a relay whose callers do to it all that they may, and another one of the same relay whose callers call
//! as they always do: each of these is answered, and what is too much of the first gets its documented answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gantz_tests::within;
use http::Method;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::frames::*;
use crate::others::Steady;
use crate::target::{Caller, Target};

/// What a tunnel may have here: little enough that one process gets to it.
const REQUESTS: usize = 256;
const FLAGS: [&str; 3] = ["--max-requests=256", "--tunnel-rate=500/s", "--max-body=4MiB"];
/// Requests over it.
const SURPLUS: usize = 64;
/// Callers of the other tunnel, and how often each calls: together well below what a tunnel may have.
const STEADY: Steady = Steady { callers: 8, pause: Duration::from_millis(25) };
/// How long each kind of load goes on at least.
const LOAD: Duration = Duration::from_secs(5);
/// Callers who ask without a pause, callers who send bodies, and answers of a megabyte that nobody reads.
const GREEDY: usize = 16;
const UPLOADS: usize = 4;
const UNREAD: usize = 64;

/// How often which answer came: its status and its `Gantz-Error`.
type Answers = Arc<Mutex<BTreeMap<(u16, String), usize>>>;

/// Asks for the same again and again, for as long as the load goes on.
async fn repeat(caller: Caller, method: Method, path: &str, body: Bytes, answers: Answers) {
    let started = Instant::now();
    while started.elapsed() < LOAD {
        let answer = within("an answer", caller.ask(method.clone(), path, body.clone())).await;
        *answers.lock().unwrap().entry(answer).or_default() += 1;
    }
}

/// Fails when there are others than `expected`, which there have to be, and those that the tunnel's rate allows.
fn assert_only(what: &str, answers: &Answers, expected: &(u16, String)) {
    let answers = answers.lock().unwrap();
    eprintln!("starving: {what}: {answers:?}");
    assert!(answers.contains_key(expected), "{what}: {answers:?}");
    assert!(answers.keys().all(|answer| answer == expected || *answer == limited()), "{what}: {answers:?}");
}

fn limited() -> (u16, String) {
    (429, "rate_limited".to_owned())
}

/// As many calls as can be, which are more than there may be.
async fn calls(target: &Target) {
    let (calls, mut load) = (Answers::default(), JoinSet::new());
    for _ in 0..GREEDY {
        load.spawn(repeat(target.caller(&target.host), Method::GET, "", Bytes::new(), calls.clone()));
    }
    load.join_all().await;
    assert_only("calls", &calls, &(200, String::new()));
    assert!(calls.lock().unwrap().contains_key(&limited()), "more than the tunnel's rate");
}

/// As large bodies as may be and larger ones, and answers that nobody reads.
async fn bodies(target: &Target) {
    let (uploads, too_large, mut load) = (Answers::default(), Answers::default(), JoinSet::new());
    let (most, more) = (Bytes::from(vec![0; 4 << 20]), Bytes::from(vec![0; (4 << 20) + 1]));
    for _ in 0..UPLOADS {
        load.spawn(repeat(target.caller(&target.host), Method::POST, "", most.clone(), uploads.clone()));
        load.spawn(repeat(target.caller(&target.host), Method::POST, "", more.clone(), too_large.clone()));
    }
    // SETTINGS_INITIAL_WINDOW_SIZE of nothing (RFC 9113 §6.5.2).
    let mut peer = Peer::open(target.connect_to(&target.host).await, &[0, 4, 0, 0, 0, 0]).await.reads();
    let gets = (0..u32::try_from(UNREAD).unwrap()).map(|number| {
        let get = request("GET", &target.host, "/big", &target.token);
        frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * number, &get)
    });
    peer.flood(gets).await;
    load.join_all().await;
    let came = peer.close().await;
    assert_eq!(came.data, 0, "{came:?}");
    assert_only("bodies", &uploads, &(200, String::new()));
    assert_only("bodies that are too large", &too_large, &(413, "body_too_large".to_owned()));
}

/// As many requests in flight as there may be, and more.
async fn in_flight(target: &Target) {
    // A connection has its own limit, of as many.
    let callers = [target.caller(&target.host), target.caller(&target.host)];
    let mut load = JoinSet::new();
    for number in 0..REQUESTS + SURPLUS {
        let caller = callers[number % callers.len()].clone();
        load.spawn(async move {
            loop {
                match caller.ask(Method::GET, "hold", Bytes::new()).await {
                    (429, code) => assert_eq!(code, "rate_limited"),
                    other => return other,
                }
                // What was asked before has used the rate up.
                sleep(Duration::from_millis(50)).await;
            }
        });
    }
    for _ in 0..SURPLUS {
        let answer = within("an answer for one too many", load.join_next()).await.unwrap().unwrap();
        assert_eq!(answer, (503, "tunnel_busy".to_owned()));
    }
    assert!(load.try_join_next().is_none(), "all others are in flight");
}

#[tokio::test]
async fn a_tunnel_that_takes_all_it_may_leaves_the_others_theirs() {
    let target = Target::start_with(&FLAGS).await;
    let other = target.other.clone();
    let load = async |_: &_| calls(&target).await;
    target.beside_steady("a tunnel over its rate", &other, STEADY, load).await;
    let load = async |_: &_| bodies(&target).await;
    target.beside_steady("a tunnel with bodies and unread answers", &other, STEADY, load).await;
    let load = async |_: &_| in_flight(&target).await;
    target.beside_steady("a tunnel with all its requests", &other, STEADY, load).await;
    // And it has its own again.
    let free = async {
        while target.caller(&target.host).ask(Method::GET, "", Bytes::new()).await.0 != 200 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    within("room in the tunnel", free).await;
}
