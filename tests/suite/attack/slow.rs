//! Callers who dawdle, 2,000 at once of each kind, against a relay in a process of its own: every connection is closed at
//! its deadline, other callers get their answers all the while, and the memory is free again.

use std::sync::Arc;
use std::time::Duration;

use gantz_tests::within;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::dawdle::{Door, Kind};
use crate::target::{Start, Target};

const CONNECTIONS: usize = 2_000;
/// What every deadline of the relay is here.
pub(crate) const DEADLINE: Duration = Duration::from_secs(4);
/// How often at most the same is done, until it makes the relay no larger.
pub(crate) const ROUNDS: usize = 6;
/// Room for a machine that is busy with other tests.
pub(crate) const SLACK: Duration = Duration::from_secs(20);
/// Unread answers that a tunnel has at once; over it, it gives up the oldest before its deadline.
const UNREAD: usize = 16;
/// Files that this process needs: of a connection the caller's end, and of a request both ends behind the agent.
const FILES: u64 = 3 * CONNECTIONS as u64 + 1_000;

/// Each needs the machine for itself.
pub(crate) static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// One after the other: opens all of them, and sees all of them closed, no sooner than they may be.
async fn round(target: &Target, kind: Kind) {
    let door = Arc::new(Door::new(target));
    let mut callers = JoinSet::new();
    for number in 0..CONNECTIONS {
        let door = door.clone();
        callers.spawn(async move { door.dawdle(kind, number).await });
    }
    let (mut took, mut peak) = (Vec::new(), 0);
    while let Some(closed) = callers.join_next().await {
        took.push(closed.unwrap());
        if took.len() % 100 == 1 {
            peak = peak.max(target.size("VmRSS"));
        }
    }
    took.sort_unstable();
    eprintln!(
        "{kind:?}: {} closed after {:.1?} to {:.1?}, {} of them open at once, {} KiB then",
        took.len(),
        took[0],
        took[took.len() - 1],
        door.most(),
        peak >> 10
    );
    assert_eq!(took.len(), CONNECTIONS);
    assert!(took[0] + Duration::from_millis(500) > DEADLINE, "{kind:?}: closed after {:?}", took[0]);
}

/// Waits until the relay has let go of what was slow.
pub(crate) async fn until_gone(target: &Target, files: usize) {
    let gone = async {
        // A few: the other caller, and what a signal or a log takes.
        while target.files() > files + 5 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("the end of the slow connections", gone).await;
}

/// Whether its size comes back to near `before`.
pub(crate) async fn is_small(target: &Target, what: &str, before: u64) -> bool {
    let first = target.size("VmRSS");
    let free = async {
        while target.size("VmRSS") > before + before / 10 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let is_free = tokio::time::timeout(Duration::from_secs(2), free).await.is_ok();
    let after = target.size("VmRSS");
    eprintln!(
        "{what}: {} KiB before, {} KiB at most, {} KiB when all were closed, {} KiB after",
        before >> 10,
        target.size("VmHWM") >> 10,
        first >> 10,
        after >> 10
    );
    is_free
}

async fn withstands(kind: Kind) {
    let _turn = ONE_AT_A_TIME.lock().await;
    let files = rlimit::increase_nofile_limit(FILES).unwrap();
    assert!(files >= FILES, "this process may have {files} files open, and the test needs {FILES} (ulimit -Hn)");
    let deadline = |what: &str| format!("--{what}-timeout={}s", DEADLINE.as_secs());
    let deadlines = ["handshake", "first-byte", "head", "body", "reader"].map(deadline);
    let mut flags: Vec<_> = deadlines.iter().map(String::as_str).collect();
    flags.extend(["--max-connections-per-source=10000", "--max-unread=10000"]);
    let tunnels = match kind {
        // As many as one tunnel has on its way.
        Kind::Body => CONNECTIONS.div_ceil(1_000) + 1,
        Kind::Reader => CONNECTIONS.div_ceil(UNREAD),
        _ => 0,
    };
    let target = Target::start_as(Start { flags: &flags, tunnels, ..Start::default() }).await;
    let files = target.files();
    // What the allocator keeps for itself, among what still lives, is all there after a few times: what is lost each time
    // would go on growing.
    for number in 1..=ROUNDS {
        let before = target.size("VmRSS");
        let what = format!("{kind:?}, round {number}");
        target.beside(&what, &target.other, async |_| round(&target, kind).await).await;
        until_gone(&target, files).await;
        if number > 1 && is_small(&target, &what, before).await {
            return;
        }
    }
    panic!("{kind:?}: it has grown by more than a tenth each of {ROUNDS} times");
}

#[tokio::test]
async fn half_handshakes_are_closed_at_their_deadline() {
    withstands(Kind::HalfHandshake).await;
}

#[tokio::test]
async fn silent_connections_are_closed_at_their_deadline() {
    withstands(Kind::Silent).await;
}

#[tokio::test]
async fn slow_heads_are_closed_at_their_deadline() {
    withstands(Kind::Header).await;
}

#[tokio::test]
async fn bodies_that_stop_coming_are_closed_at_their_deadline() {
    withstands(Kind::Body).await;
}

#[tokio::test]
async fn readers_that_take_nothing_are_closed_at_their_deadline() {
    withstands(Kind::Reader).await;
}
