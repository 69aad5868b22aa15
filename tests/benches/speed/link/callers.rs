//! Who calls over the link, as a process at the relay's end: callers with small requests in a loop, each on a connection of
//! its own, and one download that takes whatever there is; and, where it has to share the link, another download that
//! goes through no tunnel.
//!
//! It measures the requests alone, if there are any, and then beside the download. Of each it says `begin` when
//! everything has come to rest, and then, as one JSON object, what came of it. It ends with its stdin.

use std::cell::{Cell, RefCell};
use std::io::Read;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use gantz_tests::bench::durations::summary;
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::task::{JoinSet, LocalSet};

use crate::client::{Client, Target};
use crate::load::say;
use crate::payload::{Payload, SMALL};

/// Longer than any download here gets.
const ENDLESS: u64 = 1 << 50;

/// Who calls, and for how long. Whoever starts it is [`super::case`].
#[derive(Debug, Args)]
pub(crate) struct CallerArgs {
    #[command(flatten)]
    target: Target,
    /// Callers with small requests
    #[arg(long)]
    callers: usize,
    /// Where the other download comes from
    #[arg(long)]
    rival: Option<SocketAddr>,
    /// How long each is measured; half of it is spent beforehand
    #[arg(long)]
    millis: u64,
}

/// When each request was done, and how long it took, nanoseconds.
type Took = Rc<RefCell<Vec<(Instant, u32)>>>;

/// Bytes of a download that have come.
type Came = Rc<Cell<u64>>;

/// Does what `args` say.
pub(crate) async fn run(args: &CallerArgs) {
    LocalSet::new().run_until(measure(args)).await;
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

async fn measure(args: &CallerArgs) {
    let time = Duration::from_millis(args.millis);
    let client = Rc::new(Client::new(&args.target));
    // Nobody of them ever ends.
    let mut running = JoinSet::new();
    let took = Took::default();
    for _ in 0..args.callers {
        running.spawn_local(call(client.clone(), took.clone()));
    }
    if args.callers > 0 {
        measured(time, &took, None, None).await;
    }
    let came = Came::default();
    running.spawn_local(download(client, came.clone()));
    let rival = args.rival.map(|address| {
        let came = Came::default();
        running.spawn_local(download(Rc::new(Client::new(&Target::plain(address))), came.clone()));
        came
    });
    measured(time, &took, Some(&came), rival.as_ref()).await;
    assert!(running.try_join_next().is_none(), "a caller has given up");
}

/// Says what comes of so much time, after half of it to come to rest.
async fn measured(time: Duration, took: &Took, download: Option<&Came>, rival: Option<&Came>) {
    tokio::time::sleep(time / 2).await;
    say("begin");
    let begin = Instant::now();
    let came = || [download, rival].map(|came| came.map(|came| came.get()));
    let before = came();
    tokio::time::sleep_until((begin + time).into()).await;
    let (end, after) = (Instant::now(), came());
    let done = took.borrow().iter().filter(|(done, _)| (begin..end).contains(done)).map(|(_, took)| *took).collect();
    let rate = |which: usize| Some((after[which]? - before[which]?) as f64 / 1e6 / (end - begin).as_secs_f64());
    let mut said: Value = summary(done, end - begin);
    said["download"] = json!(rate(0));
    said["rival"] = json!(rate(1));
    say(&said.to_string());
}

/// Small requests, one after the other.
async fn call(client: Rc<Client>, took: Took) {
    let mut connection = client.connect().await;
    loop {
        let sent = Instant::now();
        let length = client.call(&mut connection, Method::GET, "/mcp", Payload::zeros(0)).await;
        assert_eq!(length, SMALL as u64, "another answer than the local server's");
        let done = Instant::now();
        took.borrow_mut().push((done, u32::try_from((done - sent).as_nanos()).unwrap_or(u32::MAX)));
    }
}

/// A download without end; counts what comes.
async fn download(client: Rc<Client>, came: Came) {
    let mut connection = client.connect().await;
    let path = format!("/down/{ENDLESS}");
    let mut body = client.open(&mut connection, Method::GET, &path, Payload::zeros(0)).await;
    while let Some(frame) = body.frame().await {
        let bytes = frame.expect("the download was cut").data_ref().map_or(0, Bytes::len);
        came.set(came.get() + bytes as u64);
    }
}
