//! A relay that may have few files open: it takes no more connections than fit, and should it run out all the same, it
//! neither fails nor burns the CPU, and goes on when there is room.

use std::time::Duration;

use gantz_tests::within;
use rlimit::{Resource, prlimit};
use tokio::net::TcpStream;

use crate::target::{Start, Target};

/// What the system allows the relay, and how many connections fit into that.
const FILES: usize = 128;
const FIT: usize = 64;
/// More than fit, by fewer than the system's queue before a listener takes.
const MANY: usize = 150;
/// Neither has a deadline meanwhile.
const PATIENT: [&str; 2] = ["--handshake-timeout=5m", "--idle-timeout=5m"];
/// How long the relay is watched for whether it spins.
const WATCHED: Duration = Duration::from_secs(2);

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let so = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(what, so).await;
}

/// Connections that say nothing.
async fn silent(target: &Target, number: usize) -> Vec<TcpStream> {
    let mut connections = Vec::new();
    for _ in 0..number {
        let connect = TcpStream::connect(("127.0.0.1", target.port));
        connections.push(within("a connection, if only in the system's queue", connect).await.unwrap());
    }
    connections
}

/// Nothing is to be done, and nothing is.
async fn assert_calm(target: &Target) {
    let before = target.cpu();
    tokio::time::sleep(WATCHED).await;
    let used = target.cpu() - before;
    eprintln!("out of files: {used:?} of CPU in {WATCHED:?}");
    assert!(used < WATCHED / 4, "it spins: {used:?} of {WATCHED:?}");
}

fn logged(target: &Target, what: &str) -> bool {
    target.log.lock().unwrap().iter().any(|line| line.contains(what))
}

#[tokio::test]
async fn no_more_connections_are_taken_than_files_may_be_open() {
    let target = Target::start_as(Start { flags: &PATIENT, files: Some(FILES), ..Start::default() }).await;
    let told = format!("{FILES} open files are allowed: {FIT} connections are taken at once, and not 10000");
    assert!(logged(&target, &told), "{:?}", target.log.lock().unwrap());
    let established = target.caller(&target.host);
    established.call().await;
    let files = target.files();

    let mut connections = silent(&target, MANY).await;
    until("as many connections as fit", || target.files() >= files + FIT - 1).await;
    assert_calm(&target).await;
    assert_eq!(target.files(), files + FIT - 1, "the others wait");
    eprintln!("out of files: {files} open without them");
    for _ in 0..20 {
        established.call().await;
    }
    let late = target.caller(&target.other);
    let late = tokio::spawn(async move { late.call().await });
    // Tunnels need no file each.
    drop(target.open().await.expect("another agent gets in"));
    assert!(!late.is_finished());

    // All but the established one: it is later than they are.
    connections.clear();
    within("the call that has waited", late).await.unwrap();
    assert!(!logged(&target, "cannot accept") && !logged(&target, "panicked"), "{:?}", target.log.lock().unwrap());
}

/// Something else took what was left, or the limit was lowered while it ran.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn out_of_files_all_the_same_it_waits_for_room() {
    let target = Target::start_with(&PATIENT).await;
    let established = target.caller(&target.host);
    established.call().await;
    let limit = |new: Option<(u64, u64)>| {
        let (mut soft, mut hard) = (0, 0);
        let pid = i32::try_from(target.pid()).unwrap();
        prlimit(pid, Resource::NOFILE, new, Some((&mut soft, &mut hard))).unwrap();
        (soft, hard)
    };
    let (soft, hard) = limit(None);
    assert_eq!(soft, hard, "it has raised its own limit");
    limit(Some((target.files() as u64 + 10, hard)));
    let connections = silent(&target, 50).await;
    until("a connection that cannot be accepted", || logged(&target, "cannot accept")).await;
    assert_calm(&target).await;
    for _ in 0..20 {
        established.call().await;
    }
    drop(target.open().await.expect("another agent gets in"));

    drop(connections);
    within("a new caller, when others have closed", target.caller(&target.other).call()).await;
    assert!(!logged(&target, "panicked"));
}
