//! Callers of HTTP/2 who dawdle, hundreds at once of each kind, against a relay in a process of its own: every connection
//! is closed at the deadline that is named for it, other callers get their answers all the while, and memory and files
//! are free again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::frames::*;
use crate::slow::{ONE_AT_A_TIME, ROUNDS, SLACK, is_small, until_gone};
use crate::target::{Start, Target};

const CONNECTIONS: usize = 200;
/// What the deadline of a kind is here. All others are far off.
const DEADLINE: Duration = Duration::from_secs(3);
/// How many are opened at once, so that none waits long for its turn.
const STEP: usize = 25;
/// Unread answers that a tunnel has at once.
const UNREAD: usize = 16;
/// How often a piece of a head comes: slowly enough that there are not too many CONTINUATION frames before the deadline.
const DRIP: Duration = Duration::from_millis(800);

/// In what a connection is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// TLS, HTTP/2 chosen, and not a byte.
    Nothing,
    /// The client's preface, without the settings that belong to it.
    Preface,
    /// A preface, settings, and nothing that is asked for.
    Settings,
    /// A head without its end.
    Head,
    /// A head that goes on by a field at a time, each in a frame of its own.
    Dribble,
    /// A head that goes on by a byte at a time, within one frame.
    Frame,
    /// Half a body.
    Body,
    /// Takes nothing of an answer.
    Reader,
}

impl Kind {
    /// The deadlines that end it, one after the other: where only the stream is given up, the connection is idle then.
    fn deadlines(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &["first-byte"],
            Self::Preface | Self::Settings => &["idle"],
            Self::Head | Self::Dribble | Self::Frame => &["head"],
            Self::Body => &["body", "idle"],
            Self::Reader => &["reader", "idle"],
        }
    }
}

/// Opens a connection and dawdles: how long until the relay closed it.
async fn dawdle(target: &Target, host: &str, kind: Kind, turns: &Semaphore) -> Duration {
    let turn = turns.acquire().await.unwrap();
    let mut io = target.connect_to(host).await;
    let started = Instant::now();
    if matches!(kind, Kind::Nothing | Kind::Preface) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        if kind == Kind::Preface {
            io.write_all(PREFACE).await.unwrap();
            io.flush().await.unwrap();
        }
        drop(turn);
        let closed = async { while io.read(&mut [0; 512]).await.unwrap_or(0) > 0 {} };
        tokio::time::timeout(DEADLINE + SLACK, closed).await.expect("closed at last");
        return started.elapsed();
    }
    // SETTINGS_INITIAL_WINDOW_SIZE of nothing, for who reads nothing (RFC 9113 §6.5.2).
    let settings: &[u8] = if kind == Kind::Reader { &[0, 4, 0, 0, 0, 0] } else { &[] };
    let mut peer = Peer::open(io, settings).await.reads();
    let get = request("GET", host, if kind == Kind::Reader { "/big" } else { "/" }, &target.token);
    match kind {
        Kind::Head | Kind::Dribble => assert!(peer.say(&frame(HEADERS, END_STREAM, 1, &get)).await),
        // A frame that announces more than comes.
        Kind::Frame => assert!(peer.say(&frame(HEADERS, END_STREAM, 1, &[0; 16_000])[..FRAME_HEADER]).await),
        Kind::Reader => assert!(peer.say(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &get)).await),
        Kind::Body => {
            let post = frame(HEADERS, END_HEADERS, 1, &request("POST", host, "/", &target.token));
            assert!(peer.say(&[post, frame(DATA, 0, 1, b"half")].concat()).await);
        }
        Kind::Nothing | Kind::Preface | Kind::Settings => {}
    }
    drop(turn);
    match kind {
        Kind::Dribble => peer.drip(DRIP, &frame(CONTINUATION, 0, 1, &field("x", "y", false))).await,
        Kind::Frame => peer.drip(DRIP, &[0]).await,
        // Once it is answered, the rest of the body is not asked for; were it to come, it would be read over for a while.
        Kind::Body => peer.until(HEADERS, 1, &[]).await,
        _ => {}
    }
    if kind == Kind::Body {
        assert!(peer.say(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes())).await);
    }
    let came = peer.closed("the end of a slow connection").await;
    match kind {
        Kind::Reader => assert_eq!((came.frames[usize::from(RST_STREAM)], came.data), (1, 0), "{came:?}"),
        Kind::Head | Kind::Dribble | Kind::Frame => assert_eq!(came.goaway, Some(ENHANCE_YOUR_CALM), "{came:?}"),
        _ => {}
    }
    started.elapsed()
}

/// Opens all of them, and sees all of them closed, no sooner than they may be.
async fn round(target: &Arc<Target>, kind: Kind) {
    let turns = Arc::new(Semaphore::new(STEP));
    let mut callers = JoinSet::new();
    for number in 0..CONNECTIONS {
        let (target, turns) = (target.clone(), turns.clone());
        callers.spawn(async move {
            let host = target.more.get(number / UNREAD).unwrap_or(&target.host).clone();
            dawdle(&target, &host, kind, &turns).await
        });
    }
    let mut took: Vec<_> = callers.join_all().await;
    took.sort_unstable();
    eprintln!("{kind:?}: {CONNECTIONS} closed after {:.1?} to {:.1?}", took[0], took[took.len() - 1]);
    let least = DEADLINE * u32::try_from(kind.deadlines().len()).unwrap();
    assert!(took[0] + Duration::from_millis(500) > least, "{kind:?}: closed after {:?}", took[0]);
}

async fn withstands(kind: Kind) {
    let _turn = ONE_AT_A_TIME.lock().await;
    let deadlines = ["handshake", "first-byte", "head", "idle", "body", "reader"].map(|what| {
        let time = if kind.deadlines().contains(&what) { format!("{}s", DEADLINE.as_secs()) } else { "10m".into() };
        format!("--{what}-timeout={time}")
    });
    let flags: Vec<_> = deadlines.iter().map(String::as_str).collect();
    let tunnels = if kind == Kind::Reader { CONNECTIONS.div_ceil(UNREAD) } else { 0 };
    let target = Arc::new(Target::start_as(Start { flags: &flags, tunnels, ..Start::default() }).await);
    let files = target.files();
    for number in 1..=ROUNDS {
        let before = target.size("VmRSS");
        let what = format!("HTTP/2 {kind:?}, round {number}");
        target.beside(&what, &target.other, async |_| round(&target, kind).await).await;
        until_gone(&target, files).await;
        if number > 1 && is_small(&target, &what, before).await {
            return;
        }
    }
    panic!("{kind:?}: it has grown by more than a tenth each of {ROUNDS} times");
}

#[tokio::test]
async fn silent_connections_of_http2_are_closed_at_their_deadline() {
    withstands(Kind::Nothing).await;
}

#[tokio::test]
async fn a_preface_and_then_nothing_is_closed_as_idle() {
    withstands(Kind::Preface).await;
}

#[tokio::test]
async fn settings_and_then_nothing_are_closed_as_idle() {
    withstands(Kind::Settings).await;
}

#[tokio::test]
async fn heads_without_an_end_are_closed_at_their_deadline() {
    withstands(Kind::Head).await;
}

#[tokio::test]
async fn heads_that_come_frame_by_frame_are_closed_at_their_deadline() {
    withstands(Kind::Dribble).await;
}

#[tokio::test]
async fn heads_that_come_byte_by_byte_are_closed_at_their_deadline() {
    withstands(Kind::Frame).await;
}

#[tokio::test]
async fn bodies_of_http2_that_stop_coming_are_answered_and_their_connections_closed() {
    withstands(Kind::Body).await;
}

#[tokio::test]
async fn readers_without_a_window_are_reset_and_their_connections_closed() {
    withstands(Kind::Reader).await;
}
