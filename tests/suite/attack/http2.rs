//! HTTP/2 that is nothing but work, against a relay in a process of its own: each attack ends with its connection, or is
//! held to what one connection may cost; the process stays small; and other callers get their answers all the while.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gantz_tests::client::{self, Io};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::frames::*;
use crate::others::Others;
use crate::target::Target;

/// By how much the process may grow at any moment, bytes: far above what one connection is allowed to hold, and far
/// below what each of the attacks is made of.
const GROWTH: u64 = 192 << 20;
/// Answers of a megabyte that are more than a tunnel may have on its way, by far; and as many as one connection has.
const UNREAD: usize = 256;
/// How long the relay waits for a caller.
const DEADLINE: Duration = Duration::from_secs(3);
/// More frames than anybody has a use for.
const MANY: u32 = 100_000;

impl Target {
    /// TLS with HTTP/2 chosen.
    async fn connect(&self) -> Pin<Box<dyn Io>> {
        self.connect_to(&self.host).await
    }

    /// The same, to another of its tunnels.
    pub(crate) async fn connect_to(&self, host: &str) -> Pin<Box<dyn Io>> {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let tls = TlsConnector::from(Arc::new(client::trusting(&self.pem, &[b"h2"])));
        Box::pin(tls.connect(ServerName::try_from(host.to_owned()).unwrap(), tcp).await.unwrap())
    }

    /// A connection of HTTP/2 that reads what comes.
    async fn peer(&self) -> Peer {
        Peer::open(self.connect().await, &[]).await.reads()
    }

    fn request(&self, method: &str, path: &str) -> Vec<u8> {
        request(method, &self.host, path, &self.token)
    }

    /// `HEADERS` of a `POST` whose body is still to come.
    fn post(&self, stream: u32) -> Vec<u8> {
        frame(HEADERS, END_HEADERS, stream, &self.request("POST", "/"))
    }

    /// `HEADERS` of a whole `GET`.
    fn get(&self, stream: u32, path: &str) -> Vec<u8> {
        frame(HEADERS, END_HEADERS | END_STREAM, stream, &self.request("GET", path))
    }

    /// As [`withstands_at`](Self::withstands_at), and the other caller calls the tunnel that is attacked.
    async fn withstands<T>(&self, what: &str, attack: impl AsyncFn() -> T) -> T {
        self.withstands_at(what, &self.host, attack).await
    }

    /// Runs `attack` again and again, until another caller of `host` on another connection has had its answers meanwhile.
    async fn withstands_at<T>(&self, what: &str, host: &str, attack: impl AsyncFn() -> T) -> T {
        let before = self.size("VmRSS");
        let attacks = async |others: &Others| loop {
            let outcome = attack().await;
            if others.are_enough() {
                return outcome;
            }
        };
        let outcome = self.beside(what, host, attacks).await;
        let peak = self.size("VmHWM");
        eprintln!("{what:<48} | {} KiB before, {} KiB at most", before >> 10, peak >> 10);
        assert!(peak < before + GROWTH, "{what}: from {before} to {peak} bytes");
        outcome
    }
}

/// The numbers of a client's streams.
fn streams() -> impl Iterator<Item = u32> {
    (1..2 * MANY).step_by(2)
}

/// Floods with what `say` has to say of each stream, and gives what came back when the relay had enough. The token's
/// rate may be used up by that, which is for its owner to bear: the other caller calls another tunnel.
async fn flood(target: &Target, what: &str, say: impl Fn(u32) -> Vec<u8>) -> Came {
    target
        .withstands_at(what, &target.other, async || {
            let mut peer = target.peer().await;
            let streams: Vec<_> = streams().collect();
            // Many to a write, as who wants to do much with little would.
            peer.flood(streams.chunks(100).map(|some| some.iter().flat_map(|stream| say(*stream)).collect())).await;
            peer.closed(what).await
        })
        .await
}

/// What the machine itself makes of a thread that works while others call, and of an attack on somebody else: what the
/// figures of the attacks are to be read against.
#[tokio::test]
async fn a_busy_machine_for_comparison() {
    let (target, elsewhere) = (Target::start().await, Target::start().await);
    let work = async || {
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(50) {
            std::hint::black_box(target.get(1, "/"));
        }
    };
    target.withstands("no attack, a busy thread", work).await;
    let ping = frame(PING, 0, 0, &[7; 8]).repeat(100);
    for (what, other) in [("PING to another relay", &elsewhere), ("PING to the same relay", &target)] {
        let attack = async || {
            let mut peer = other.peer().await;
            peer.flood((0..MANY / 100).map(|_| ping.clone())).await;
            peer.closed(what).await
        };
        target.withstands_at(what, &target.other, attack).await;
    }
}

#[tokio::test]
async fn streams_that_are_reset_as_soon_as_they_are_opened_end_the_connection() {
    let target = Target::start().await;
    let cancel = 8_u32.to_be_bytes();
    let came = flood(&target, "rapid reset", |stream| {
        [target.get(stream, "/"), frame(RST_STREAM, 0, stream, &cancel)].concat()
    })
    .await;
    assert_eq!(came.goaway, Some(ENHANCE_YOUR_CALM), "{came:?}");
}

#[tokio::test]
async fn streams_that_the_relay_is_made_to_reset_end_the_connection() {
    let target = Target::start().await;
    let most = 0x7fff_ffff_u32.to_be_bytes();
    let own = |stream: u32| [&stream.to_be_bytes()[..], &[0]].concat();
    let block = target.request("GET", "/");
    type Say<'a> = &'a dyn Fn(u32) -> Vec<u8>;
    let ways: [(&str, Say<'_>); 6] = [
        ("a window that grows by nothing", &|id| [target.post(id), frame(WINDOW_UPDATE, 0, id, &[0; 4])].concat()),
        ("a window over its limit", &|id| [target.post(id), frame(WINDOW_UPDATE, 0, id, &most)].concat()),
        ("DATA after the end", &|id| [target.get(id, "/"), frame(DATA, 0, id, b"more")].concat()),
        ("HEADERS after the end", &|id| [target.get(id, "/"), target.get(id, "/")].concat()),
        ("PRIORITY of a stream under itself", &|id| [target.post(id), frame(PRIORITY, 0, id, &own(id))].concat()),
        ("HEADERS of a stream under itself", &|id| {
            frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, id, &[own(id), block.clone()].concat())
        }),
    ];
    for (what, say) in ways {
        let came = flood(&target, what, say).await;
        assert!(came.goaway.is_some_and(|code| code != 0), "{what}: {came:?}");
        assert!(came.frames[usize::from(RST_STREAM)] <= 256, "{what}: {came:?}");
    }
}

#[tokio::test]
async fn a_header_block_that_does_not_end_ends_the_connection() {
    let target = Target::start().await;
    let start = frame(HEADERS, END_STREAM, 1, &target.request("GET", "/"));
    let large = field("x-large", &"x".repeat(16_000), false);
    for (what, piece) in [
        ("empty CONTINUATION", frame(CONTINUATION, 0, 1, &[])),
        ("small CONTINUATION", frame(CONTINUATION, 0, 1, &field("x", "y", false))),
        ("large CONTINUATION", frame(CONTINUATION, 0, 1, &large)),
    ] {
        let came = target
            .withstands(what, async || {
                let mut peer = target.peer().await;
                assert!(peer.say(&start).await);
                peer.flood((0..MANY).map(|_| piece.clone())).await;
                peer.closed(what).await
            })
            .await;
        assert_eq!(came.goaway, Some(ENHANCE_YOUR_CALM), "{what}: {came:?}");
        assert_eq!(came.frames[usize::from(HEADERS)], 0, "{what}: nothing was answered");
    }
}

#[tokio::test]
async fn a_block_that_unpacks_to_much_more_is_refused() {
    let target = Target::start().await;
    // One field of nearly the table's size, and then as often as a frame has bytes: 16 KiB stand for 64 MiB.
    let bomb = [target.request("GET", "/"), field("x", &"y".repeat(4000), true), vec![0x80 | 62; 11_000]].concat();
    let long: Vec<u8> = (0..15).flat_map(|_| field("x", &"y".repeat(1000), false)).collect();
    for (what, blocks) in [
        ("a field over and over", vec![bomb]),
        // Over the limit, in as many frames as are allowed.
        (
            "a list over its limit",
            vec![target.request("GET", "/"), long.clone(), long.clone(), long.clone(), long.clone(), long],
        ),
    ] {
        let last = blocks.len() - 1;
        let said = |id: u32| -> Vec<u8> {
            let flags = |at: usize| if at == last { END_HEADERS } else { 0 };
            let frames = blocks.iter().enumerate().map(|(at, block)| match at {
                0 => frame(HEADERS, END_STREAM | flags(0), id, block),
                _ => frame(CONTINUATION, flags(at), id, block),
            });
            frames.flatten().collect()
        };
        let came = target
            .withstands(what, async || {
                let mut peer = target.peer().await;
                peer.flood(streams().take(500).map(said)).await;
                peer.close().await
            })
            .await;
        let refused = came.frames[usize::from(HEADERS)] + came.frames[usize::from(RST_STREAM)];
        assert!(came.goaway.is_some_and(|code| code != 0) || refused > 0, "{what}: {came:?}");
        assert_eq!(came.data, 0, "the local server answered none: {what}: {came:?}");
    }
}

#[tokio::test]
async fn data_frames_with_nothing_in_them_end_the_connection() {
    let target = Target::start().await;
    let came = target
        .withstands("empty DATA", async || {
            let mut peer = target.peer().await;
            assert!(peer.say(&target.post(1)).await);
            peer.flood((0..MANY / 100).map(|_| frame(DATA, 0, 1, &[]).repeat(100))).await;
            peer.closed("empty DATA").await
        })
        .await;
    assert_eq!(came.goaway, Some(ENHANCE_YOUR_CALM), "{came:?}");
}

/// They are work that brings nothing. Who does not even read the answers is not read from, and nothing piles up.
#[tokio::test]
async fn frames_that_only_ask_for_an_answer_end_the_connection() {
    let target = Target::start().await;
    for (what, piece) in [
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("empty SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("PING", frame(PING, 0, 0, &[7; 8])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 7])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("a type that there is not", frame(200, 0, 0, b"nothing")),
    ] {
        let came = target
            .withstands(what, async || {
                let mut peer = target.peer().await;
                peer.flood((0..MANY / 100).map(|_| piece.repeat(100))).await;
                peer.closed(what).await
            })
            .await;
        assert_eq!(came.goaway, Some(ENHANCE_YOUR_CALM), "{what}: {came:?}");
        let answers = came.frames[usize::from(SETTINGS)] + came.frames[usize::from(PING)];
        assert!(answers < MANY as usize / 10, "{what}: {came:?}");

        // And now without reading what is answered.
        let unread = format!("{what}, unread");
        target
            .withstands(&unread, async || {
                let mut peer = Peer::open(target.connect().await, &[]).await;
                let flood = peer.flood((0..5 * MANY / 100).map(|_| piece.repeat(100)));
                // A relay that can say no more listens no more: then there is no end to wait for.
                let _ = tokio::time::timeout(Duration::from_secs(2), flood).await;
            })
            .await;
    }
}

/// They take up what they are, and not what others need: neither those of another tunnel nor those of their own.
#[tokio::test]
async fn answers_that_nobody_reads_are_given_up_and_all_others_have_theirs() {
    let deadline = format!("--reader-timeout={}s", DEADLINE.as_secs());
    let target = Target::start_with(&[&deadline]).await;
    // SETTINGS_INITIAL_WINDOW_SIZE of nothing (RFC 9113 §6.5.2).
    let attack = async || {
        let mut peer = Peer::open(target.connect().await, &[0, 4, 0, 0, 0, 0]).await.reads();
        peer.flood(streams().take(UNREAD).map(|id| target.get(id, "/big"))).await;
        // The first has its answer, and one byte of it.
        peer.until(DATA, 1, &frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())).await;
        // All are over when their deadline is.
        let ping = frame(PING, 0, 0, &[7; 8]);
        let given_up = peer.until(RST_STREAM, UNREAD, &ping);
        tokio::time::timeout(DEADLINE * 10, given_up).await.expect("given up at last");
        peer.close().await
    };
    for (what, host) in [("another tunnel", &target.other), ("the same tunnel", &target.host)] {
        let came = target.withstands_at(&format!("answers that nobody reads, {what}"), host, attack).await;
        assert_eq!(came.data, 1, "{came:?}");
        assert_eq!(came.frames[usize::from(HEADERS)], UNREAD, "{came:?}");
    }
    // What they took up is free again.
    target.caller(&target.host).call().await;
}

#[tokio::test]
async fn more_streams_than_are_allowed_end_the_connection() {
    let target = Target::start().await;
    let came = flood(&target, "too many streams", |stream| target.post(stream)).await;
    assert_eq!(came.goaway, Some(ENHANCE_YOUR_CALM), "{came:?}");
}

#[tokio::test]
async fn half_a_preface_and_then_nothing_is_closed_at_its_deadline() {
    let deadline = format!("--first-byte-timeout={}s", DEADLINE.as_secs());
    let target = Target::start_with(&[&deadline]).await;
    let mut io = target.connect().await;
    let started = Instant::now();
    io.write_all(b"PRI * HT").await.unwrap();
    io.flush().await.unwrap();
    let mut came = Vec::new();
    let closed = async { while io.read_buf(&mut came).await.unwrap_or(0) > 0 {} };
    tokio::time::timeout(DEADLINE * 10, closed).await.expect("closed at last");
    assert!(started.elapsed() + Duration::from_secs(1) > DEADLINE, "{:?}", started.elapsed());
    target.caller(&target.host).call().await;
}

/// As few as a polite caller is far below by default, and over the limit where the operator wants less.
#[tokio::test]
async fn what_a_connection_may_cost_is_what_the_operator_says() {
    let ping = frame(PING, 0, 0, &[7; 8]);
    let [usual, strict] =
        [&[][..], &["--http2-idle-frames=5/min", "--http2-max-resets=1", "--http2-stream-window=64KiB"]]
            .map(Target::start_with);
    let (usual, strict) = tokio::join!(usual, strict);
    // Of each stream a PRIORITY under itself: an error, for which the relay resets it.
    let own = |id: u32| frame(PRIORITY, 0, id, &[&id.to_be_bytes()[..], &[0]].concat());
    let resets: Vec<_> = streams().take(8).flat_map(|id| [usual.post(id), own(id)].concat()).collect();
    for (what, said) in [("20 PINGs", ping.repeat(20)), ("8 resets", resets)] {
        let mut peer = usual.peer().await;
        assert!(peer.say(&said).await);
        // An answer to a PING comes behind everything before it.
        peer.until(PING, 1, &ping).await;
        let came = peer.close().await;
        assert!(came.goaway.is_none_or(|code| code == 0), "{what}: {came:?}");

        let mut peer = strict.peer().await;
        assert!(peer.say(&said).await);
        let came = peer.closed(what).await;
        assert_eq!(came.goaway, Some(ENHANCE_YOUR_CALM), "{what}: {came:?}");
    }
    // Of SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 §6.5.2).
    for (target, window) in [(&usual, 1 << 20), (&strict, 64 << 10)] {
        let mut peer = target.peer().await;
        peer.until(SETTINGS, 1, &ping).await;
        assert_eq!(peer.close().await.window, Some(window));
    }
}
