//! An agent that takes up what it can: it holds no more than its windows are, or is closed with a code, and the other
//! tunnels of the relay go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gantz_shared::limits::{CONNECTION_WINDOW, SEND_WINDOW, STREAM_WINDOW};
use gantz_shared::reset::CloseCode;
use gantz_transport::Dropped;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::frames::*;
use crate::raw_agents::{RawAgents, answer, closed, data};
use crate::target::Target;

/// Answers without an end at once, to callers who read none: more than a tunnel has windows of their own for.
const ANSWERS: usize = 100;
/// Unread answers that have a window of their own.
const UNREAD: u64 = 16;
/// For so long nothing more may be taken, until that counts as the end of it.
const STILL: Duration = Duration::from_secs(2);
/// By how much the relay may grow at any moment, bytes.
const GROWTH: u64 = 192 << 20;

/// Waits until `written` does not grow any more.
async fn until_still(written: &AtomicU64) -> u64 {
    loop {
        let before = written.load(Ordering::Relaxed);
        sleep(STILL).await;
        if written.load(Ordering::Relaxed) == before {
            return before;
        }
    }
}

#[tokio::test]
async fn answers_without_an_end_fill_their_windows_and_no_more() {
    let target = Target::start().await;
    let agent = Arc::new(RawAgents::of(&target).open().await);
    let before = target.size("VmRSS");
    let written = Arc::new(AtomicU64::new(0));
    let hoard = async |_: &_| {
        // SETTINGS_INITIAL_WINDOW_SIZE of nothing (RFC 9113 §6.5.2).
        let mut peer = Peer::open(target.connect_to(&agent.host()).await, &[0, 4, 0, 0, 0, 0]).await.reads();
        let mut answers = JoinSet::new();
        for number in 0..ANSWERS {
            let stream = 1 + 2 * u32::try_from(number).unwrap();
            let get = request("GET", &agent.host(), "/", &target.token);
            assert!(peer.say(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &get)).await);
            let (mut send, recv) = agent.request().await;
            let written = written.clone();
            answers.spawn(async move {
                let (mut piece, more) = (answer(b"").freeze(), data(&[b'x'; 64 << 10]).freeze());
                loop {
                    let length = piece.len() as u64;
                    if send.write(&mut [piece]).await.is_err() {
                        return recv;
                    }
                    written.fetch_add(length, Ordering::Relaxed);
                    piece = Bytes::clone(&more);
                }
            });
        }
        let taken = until_still(&written).await;
        assert!(answers.try_join_next().is_none(), "none is given up yet");
        peer.close().await;
        taken
    };
    let taken = target.beside("answers without an end", &target.other, hoard).await;
    let most = u64::from(CONNECTION_WINDOW) + UNREAD * u64::from(STREAM_WINDOW) + SEND_WINDOW;
    let peak = target.size("VmHWM");
    eprintln!(
        "an agent that hoards: {} MiB taken of it, {} MiB are allowed; relay {} KiB before, {} KiB at most",
        taken >> 20,
        most >> 20,
        before >> 10,
        peak >> 10
    );
    // What the relay has handed to HTTP/2 is out of the window.
    assert!(taken <= most + most / 8, "{taken} bytes, {most} are allowed");
    assert!(peak < before + GROWTH, "from {before} to {peak} bytes");
}

#[tokio::test]
async fn what_nobody_asked_for_closes_the_connection() {
    let target = Target::start().await;
    let agents = RawAgents::of(&target);
    let before = target.size("VmRSS");

    // A message of four gigabytes, as its length says, and as much of it as is taken.
    let connection = agents.connect().await;
    let (mut send, _recv) = connection.open(Dropped::CONTROL).await.unwrap();
    let endless = async {
        let piece = Bytes::from(vec![0xff; 1 << 20]);
        while send.write(&mut [piece.clone()]).await.is_ok() {}
    };
    let (code, ()) = tokio::join!(closed(&connection), endless);
    assert_eq!(code, Some(CloseCode::Protocol));

    // A second stream is not granted, however often it is asked for, with or without a tunnel.
    let agent = agents.open().await;
    let silent = agents.connect().await;
    let (mut control, _recv) = silent.open(Dropped::CONTROL).await.unwrap();
    control.write(&mut [Bytes::from_static(&[0])]).await.unwrap();
    for connection in [&agent.connection, &silent] {
        let streams = (0..1_000).map(|_| connection.open(Dropped::CONTROL));
        let any = futures_util::future::select_all(streams.map(Box::pin));
        assert!(tokio::time::timeout(Duration::from_millis(500), any).await.is_err(), "no stream is granted");
    }
    // Half a hello is given up at the deadline of the handshake, the tunnel goes on.
    assert_eq!(closed(&silent).await, Some(CloseCode::HandshakeTimeout));
    assert!(target.size("VmHWM") < before + GROWTH);
    target.caller(&target.other).call().await;
    let caller = target.caller(&target.host);
    tokio::select! {
        lost = agent.connection.closed() => panic!("{lost}"),
        () = caller.call() => {}
    }
}
