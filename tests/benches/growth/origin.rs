//! The local server: what [`answers`] has, and `/events/INDEX`, an answer that does not end.
//!
//! Told `event`, it sends one to every stream. Told `ticks COUNT`, it sends one a second to each, those of all streams below
//! that index spread evenly over the second, until it is told `quiet`; then it says how many there were.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use gantz_tests::bench::answers;
use gantz_tests::bench::ticks::Ticks;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::role::{commands, say};

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
    let streams = told.clone();
    tokio::spawn(answers::serve(listener, move |index| Some(streams.stream(index.parse().ok()?))));
    while let Some(command) = commands.recv().await {
        told.do_as(&command.split(' ').collect::<Vec<_>>());
    }
}

/// The events of one stream.
type Events = StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>>;

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

    /// Stream `index`. What is sent from here on is for it, too.
    fn stream(&self, index: u32) -> Events {
        let (event, pace) = (self.event.subscribe(), self.pace.subscribe());
        let own = Own { index, event, pace, ticks: None, sent: self.ticks.clone() };
        StreamBody::new(Box::pin(unfold(own, |mut own| async move {
            let data = own.next().await;
            Some((Ok(Frame::data(data)), own))
        })))
    }
}

/// What one stream has of it.
struct Own {
    index: u32,
    event: watch::Receiver<u64>,
    pace: watch::Receiver<Option<u32>>,
    ticks: Option<Ticks>,
    sent: Arc<AtomicU64>,
}

impl Own {
    /// Its next event.
    async fn next(&mut self) -> Bytes {
        loop {
            tokio::select! {
                // Once it is quiet, none more is made: its number was said.
                biased;
                Ok(()) = self.pace.changed() => {
                    self.ticks = self.pace.borrow_and_update().map(|count| Ticks::new(self.index, count));
                }
                Ok(()) = self.event.changed() => return format!("data: {}\n\n", *self.event.borrow_and_update()).into(),
                data = tick(&mut self.ticks) => {
                    self.sent.fetch_add(1, Ordering::Relaxed);
                    return data;
                }
            }
        }
    }
}

/// The next event at the pace; none comes where there is no pace.
async fn tick(ticks: &mut Option<Ticks>) -> Bytes {
    match ticks {
        Some(ticks) => ticks.frame().await.and_then(Result::ok).and_then(|frame| frame.into_data().ok()).unwrap(),
        None => std::future::pending().await,
    }
}
