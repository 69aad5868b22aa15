//! The local server: on `/events/INDEX` an answer that does not end, on any other path a small one of JSON.
//!
//! Told `event`, it sends one to every stream. Told `ticks COUNT`, it sends one a second to each, those of all streams below
//! that index spread evenly over the second, until it is told `quiet`; then it says how many there were.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use gantz_tests::bench::payload;
use gantz_tests::bench::ticks::Ticks;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::role::{commands, say};

const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n";

/// What it was told last, for whoever has a stream.
#[derive(Clone)]
struct Told {
    /// The number of the last event that goes to all.
    event: watch::Sender<u64>,
    /// Of how many streams each gets an event a second.
    pace: watch::Sender<Option<u32>>,
    /// Events at that pace, of all streams.
    ticks: Arc<AtomicU64>,
}

pub(crate) async fn run() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut commands = commands();
    let told = Told { event: watch::Sender::new(0), pace: watch::Sender::new(None), ticks: Arc::default() };
    say(&json!({ "address": listener.local_addr().unwrap() }));
    loop {
        tokio::select! {
            command = commands.recv() => match command.as_deref().map(|command| command.split(' ').collect::<Vec<_>>()) {
                Some(words) => told.do_as(&words),
                None => return,
            },
            accepted = listener.accept() => {
                tokio::spawn(serve(accepted.unwrap().0, told.clone()));
            }
        }
    }
}

impl Told {
    fn do_as(&self, words: &[&str]) {
        match words {
            ["event"] => self.event.send_modify(|event| *event += 1),
            ["ticks", count] => drop(self.pace.send_replace(Some(count.parse().unwrap()))),
            ["quiet"] => drop(self.pace.send_replace(None)),
            other => panic!("{other:?} is no command"),
        }
        say(&json!({
            "event": *self.event.borrow(), "streams": self.event.receiver_count(),
            "ticks": self.ticks.load(Ordering::Relaxed),
        }));
    }
}

/// One connection, until its caller goes.
async fn serve(mut connection: TcpStream, told: Told) {
    connection.set_nodelay(true).unwrap();
    let small = payload::small();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", small.len());
    let answer = [head.as_bytes(), &small].concat();
    let mut asked = Vec::new();
    loop {
        asked.clear();
        while !asked.ends_with(b"\r\n\r\n") {
            if !matches!(connection.read_buf(&mut asked).await, Ok(1..)) {
                return;
            }
        }
        if let Some(index) = stream_index(&asked) {
            return stream(connection, index, &told).await;
        }
        if connection.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// Which stream this request is for.
fn stream_index(head: &[u8]) -> Option<u32> {
    let path = std::str::from_utf8(head).ok()?.split(' ').nth(1)?;
    path.strip_prefix("/events/")?.parse().ok()
}

/// One stream, until its reader goes.
async fn stream(mut connection: TcpStream, index: u32, told: &Told) {
    // What is sent from here on is for this stream, too.
    let (mut event, mut pace) = (told.event.subscribe(), told.pace.subscribe());
    if connection.write_all(STREAM).await.is_err() {
        return;
    }
    let mut ticks: Option<Ticks> = None;
    let mut rest = [0; 1];
    loop {
        let data = tokio::select! {
            // Once it is quiet, none more is made: its number was said.
            biased;
            _ = pace.changed() => {
                ticks = pace.borrow_and_update().map(|count| Ticks::new(index, count));
                continue;
            }
            _ = event.changed() => Bytes::from(format!("data: {}\n\n", *event.borrow_and_update())),
            data = next(&mut ticks) => {
                told.ticks.fetch_add(1, Ordering::Relaxed);
                data
            }
            // Nobody says anything more here: it is the end.
            _ = connection.read(&mut rest) => return,
        };
        let head = format!("{:x}\r\n", data.len());
        if connection.write_all(&[head.as_bytes(), &data, b"\r\n"].concat()).await.is_err() {
            return;
        }
    }
}

/// The next event at the pace; none comes where there is no pace.
async fn next(ticks: &mut Option<Ticks>) -> Bytes {
    match ticks {
        Some(ticks) => ticks.frame().await.and_then(Result::ok).and_then(|frame| frame.into_data().ok()).unwrap(),
        None => std::future::pending().await,
    }
}
