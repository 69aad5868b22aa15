//! The streams of the callers. Told `open N`, streams are opened over all tunnels in turn until there are as many.
//!
//! Told `await N`, it is waited until each has brought every event up to number N that was sent to all since it was opened.
//! Of events at a pace, `events MILLIS` has those counted that are sent in such a time: `begun` is said at its begin, `over`
//! at its end. Then `settle N` waits for all that were sent, N since the first, and says how long those took.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use gantz_tests::bench::durations::{nanos, summary};
use gantz_tests::bench::payload::Payload;
use gantz_tests::bench::ticks::{PERIOD, now, parse};
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::callers::Tunnel;
use crate::role::say;

/// Streams that are being opened at once.
const AT_ONCE: usize = 32;

/// From one look at what has come to the next.
const SOON: Duration = Duration::from_millis(5);

/// How long events may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one stream has brought.
#[derive(Default)]
struct Brought {
    events: AtomicU64,
    /// Of those at a pace one was missing, or came twice, or was overtaken.
    is_wrong: AtomicBool,
    is_over: AtomicBool,
}

/// An open stream, and the last event that was sent before it.
struct Stream {
    brought: Arc<Brought>,
    since: u64,
}

/// How long events at a pace take.
#[derive(Default)]
struct Counted {
    /// Those that were sent from here to there, of [`now`].
    window: (u64, u64),
    took: Vec<u32>,
}

#[derive(Default)]
pub(crate) struct Streams {
    all: Vec<Stream>,
    /// The last event that was sent to all.
    sent: u64,
    counted: Arc<Mutex<Counted>>,
}

impl Streams {
    pub(crate) async fn open(&mut self, tunnels: &[Tunnel], count: usize) -> Value {
        let more = (self.all.len()..count).map(|index| open(tunnels, index, self.counted.clone()));
        let more: Vec<_> = futures_util::stream::iter(more).buffer_unordered(AT_ONCE).collect().await;
        self.all.extend(more.into_iter().map(|brought| Stream { brought, since: self.sent }));
        self.state()
    }

    pub(crate) async fn heard(&mut self, number: u64) -> Value {
        self.sent = number;
        self.until(|streams| streams.all.iter().all(|stream| stream.came() >= streams.sent - stream.since)).await;
        self.state()
    }

    pub(crate) async fn deliver(&self, time: Duration) {
        // Each has brought one.
        tokio::time::sleep(PERIOD + time / 4).await;
        let begin = now();
        let window = (begin, begin + time.as_nanos() as u64);
        *self.counted.lock().unwrap() = Counted { window, took: Vec::new() };
        say(&json!({ "begun": "events" }));
        tokio::time::sleep(time).await;
        say(&json!({ "over": "events" }));
    }

    pub(crate) async fn settle(&self, sent: u64) -> Value {
        self.until(|streams| streams.came() >= sent).await;
        let counted = std::mem::take(&mut *self.counted.lock().unwrap());
        let mut said = summary(counted.took, Duration::from_nanos(counted.window.1 - counted.window.0));
        said["came"] = self.came().into();
        said["wrong"] = self.count(|stream| stream.brought.is_wrong.load(Ordering::Relaxed)).into();
        said["over"] = self.over().into();
        said
    }

    /// What has not come after a long time is in what is said then.
    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        let came = async {
            while !is_so(self) {
                tokio::time::sleep(SOON).await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, came).await;
    }

    fn state(&self) -> Value {
        json!({
            "open": self.all.len(),
            "events": self.came(),
            "wrong": self.count(|stream| stream.came() != self.sent - stream.since),
            "over": self.over(),
        })
    }

    fn came(&self) -> u64 {
        self.all.iter().map(Stream::came).sum()
    }

    fn over(&self) -> usize {
        self.count(|stream| stream.brought.is_over.load(Ordering::Relaxed))
    }

    fn count(&self, which: impl Fn(&Stream) -> bool) -> usize {
        self.all.iter().filter(|stream| which(stream)).count()
    }
}

impl Stream {
    fn came(&self) -> u64 {
        self.brought.events.load(Ordering::Relaxed)
    }
}

/// Stream `index`, whose answer has begun.
async fn open(tunnels: &[Tunnel], index: usize, counted: Arc<Mutex<Counted>>) -> Arc<Brought> {
    let tunnel = &tunnels[index % tunnels.len()];
    let mut connection = tunnel.connection().await;
    let path = format!("/events/{index}");
    let body = tunnel.client.open(&mut connection, Method::GET, &path, Payload::zeros(0)).await;
    let brought = Arc::new(Brought::default());
    tokio::spawn(read(body, brought.clone(), counted));
    brought
}

/// Counts events, and not the edge's comments in a silence.
async fn read(mut body: Incoming, brought: Arc<Brought>, counted: Arc<Mutex<Counted>>) {
    let (mut held, mut expected) = (Vec::new(), 0);
    while let Some(Ok(frame)) = body.frame().await {
        held.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        while let Some(end) = held.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = held.drain(..end + 2).collect();
            brought.events.fetch_add(u64::from(event.starts_with(b"data: ")), Ordering::Relaxed);
            let Some((number, sent)) = parse(&event) else { continue };
            // Each time that there is a pace, a stream's begin with 0.
            brought.is_wrong.fetch_or(number != expected && number != 0, Ordering::Relaxed);
            expected = number + 1;
            let mut counted = counted.lock().unwrap();
            if (counted.window.0..counted.window.1).contains(&sent) {
                counted.took.push(nanos(Duration::from_nanos(now().saturating_sub(sent))));
            }
        }
        held.shrink_to_fit();
    }
    brought.is_over.store(true, Ordering::Relaxed);
}
