//! Many open streams with an event a second on each, the caller's side: how long each event takes, and that none is
//! lost, comes twice or overtakes another. What sends them is [`crate::ticks`].
//!
//! Before it opens most of them it says `warm` and waits for a line, so that its parent sees what memory is before them;
//! `end` says that no more events count, though those that were sent are still waited for.

use std::io::BufRead;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use gantz_tests::bench::durations::{nanos, summary};
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::task::JoinSet;

use crate::client::{Client, Connection, STREAMS};
use crate::load::say;
use crate::payload::Payload;
use crate::ticks::{PERIOD, now, parse};

/// Streams that are opened first: code that only then is resident is not what a stream takes.
pub(crate) const FIRST: usize = 16;

/// Connections that are made at once.
const AT_ONCE: usize = 16;

/// How long the last event may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The time in which events count, of [`now`].
type Window = Arc<OnceLock<(u64, u64)>>;

/// A stream that is open, with the connection that carries it.
type Open = (Incoming, Connection);

/// Opens `count` streams, counts for `time` what they bring, and gives them back.
pub(crate) async fn run(client: &Arc<Client>, count: usize, time: Duration) -> Vec<Open> {
    let window = Window::default();
    let mut reading = JoinSet::new();
    open(client, 0..FIRST, count, &window, &mut reading).await;
    // Each has brought one.
    tokio::time::sleep(PERIOD).await;
    say("warm");
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    open(client, FIRST..count, count, &window, &mut reading).await;
    tokio::time::sleep(PERIOD + time / 4).await;
    say("begin");
    let begin = now();
    window.set((begin, begin + time.as_nanos() as u64)).expect("it is set once");
    tokio::time::sleep(time).await;
    say("end");
    let read = tokio::time::timeout(PATIENCE, reading.join_all()).await.expect("an event was lost");
    let (took, open): (Vec<_>, Vec<_>) = read.into_iter().unzip();
    say(&summary(took.concat(), time).to_string());
    open
}

/// Opens those, of `count`.
async fn open(
    client: &Arc<Client>,
    which: std::ops::Range<usize>,
    count: usize,
    window: &Window,
    reading: &mut JoinSet<(Vec<u32>, Open)>,
) {
    let groups: Vec<_> = which.clone().step_by(STREAMS).map(|first| first..which.end.min(first + STREAMS)).collect();
    let opened = futures_util::stream::iter(groups).map(|group| async move {
        let mut open = Vec::new();
        for (index, mut connection) in group.clone().zip(client.connections(group.len()).await) {
            let path = format!("/events/{index}/{count}");
            let body = client.open(&mut connection, Method::GET, &path, Payload::zeros(0)).await;
            open.push((body, connection));
        }
        open
    });
    let mut opened = opened.buffer_unordered(AT_ONCE);
    while let Some(group) = opened.next().await {
        for (body, connection) in group {
            reading.spawn(read(body, connection, window.clone()));
        }
    }
}

/// Reads up to the first event behind the window, and gives how long those within took, nanoseconds.
async fn read(mut body: Incoming, connection: Connection, window: Window) -> (Vec<u32>, Open) {
    let (mut took, mut held, mut expected) = (Vec::new(), Vec::new(), 0);
    loop {
        let frame = body.frame().await.expect("a stream has ended").expect("a stream was cut");
        held.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        while let Some(end) = held.windows(2).position(|pair| pair == b"\n\n") {
            let came = now();
            let event: Vec<u8> = held.drain(..end + 2).collect();
            // The edge's comments in a silence are none.
            let Some((number, sent)) = parse(&event) else { continue };
            assert_eq!(number, expected, "an event is missing, came twice or was overtaken");
            expected += 1;
            match window.get() {
                Some((_, end)) if sent >= *end => return (took, (body, connection)),
                Some((begin, _)) if sent >= *begin => {
                    took.push(nanos(Duration::from_nanos(came.saturating_sub(sent))));
                }
                _ => {}
            }
        }
    }
}
