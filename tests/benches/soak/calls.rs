//! Callers that come and go, at a pace of their own: calls, streams that are read to their end or left in the middle, and
//! tokens that are wrong.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use rand::RngExt;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::origin;
use crate::tally::Tally;
use crate::world::World;

/// From one call to the next.
const CALLS: Duration = Duration::from_millis(70);
/// From one stream to the next.
const STREAMS: Duration = Duration::from_millis(400);
/// From one wrong token to the next: below what one address may show of them.
const WRONG: Duration = Duration::from_millis(700);

/// Of so many callers one comes on a connection of its own.
const FRESH: u64 = 4;

/// Events of a stream.
const EVENTS: u64 = 40;

/// What a body weighs, and what a large one does.
const BODY: usize = 4_000;
const LARGE: usize = 300_000;

/// Nothing that is asked takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// In turn over HTTP/1.1, HTTP/2, and connections of their own.
struct Clients {
    world: Arc<World>,
    kept: [reqwest::Client; 2],
    turn: AtomicU64,
}

impl Clients {
    fn new(world: &Arc<World>) -> Self {
        let tunnel = world.tunnel();
        let host = tunnel.url.host().unwrap();
        let kept = [world.caller(host, b"http/1.1"), world.caller(host, b"h2")];
        Self { world: world.clone(), kept, turn: AtomicU64::new(0) }
    }

    /// A number that nobody else has, and whoever's turn it is.
    fn next(&self) -> (u64, reqwest::Client) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        if !turn.is_multiple_of(FRESH) {
            return (turn, self.kept[usize::from(turn.is_multiple_of(2))].clone());
        }
        let alpn: &[u8] = if turn.is_multiple_of(2 * FRESH) { b"h2" } else { b"http/1.1" };
        (turn, self.world.caller(self.world.tunnel().url.host().unwrap(), alpn))
    }
}

/// Calls of both kinds.
pub(crate) async fn steady(world: Arc<World>, tally: Arc<Tally>, stop: CancellationToken) {
    let clients = Arc::new(Clients::new(&world));
    paced(CALLS, stop, || {
        let (clients, tally) = (clients.clone(), tally.clone());
        async move {
            let (id, client) = clients.next();
            let tunnel = clients.world.tunnel();
            let (what, request, wanted) = if id.is_multiple_of(3) {
                let length = if id.is_multiple_of(30) { LARGE } else { BODY };
                let request = client.post(format!("{}write/{id}", tunnel.url)).body(vec![b'x'; length]);
                ("POST", request, origin::written(id, length))
            } else {
                ("GET", client.get(format!("{}read/{id}", tunnel.url)), origin::read(id))
            };
            tally.answer(what, request.bearer_auth(&tunnel.token).timeout(PATIENCE), &["200"], Some(&wanted)).await;
        }
    })
    .await;
}

/// Streams of events: a third is read to the end, the others are left after a time.
pub(crate) async fn streams(world: Arc<World>, tally: Arc<Tally>, stop: CancellationToken) {
    let clients = Arc::new(Clients::new(&world));
    paced(STREAMS, stop, || {
        let (clients, tally) = (clients.clone(), tally.clone());
        async move {
            let (id, client) = clients.next();
            let tunnel = clients.world.tunnel();
            let request = client.get(format!("{}events/{EVENTS}", tunnel.url)).bearer_auth(&tunnel.token);
            let Some(answer) = tally.begun("stream", request.timeout(PATIENCE), &["200"]).await else { return };
            if id.is_multiple_of(3) {
                let wanted: String = (0..EVENTS).map(origin::event).collect();
                return tally.whole("stream", answer, &wanted).await;
            }
            let stays = Duration::from_millis(rand::rng().random_range(0..3_000));
            match read_for(answer, stays).await {
                Ok(()) => tally.count("stream left in the middle"),
                Err(why) => tally.fault("stream", &why),
            }
        }
    })
    .await;
}

/// Reads for a time, and then goes away.
async fn read_for(answer: reqwest::Response, time: Duration) -> Result<(), String> {
    let (mut text, mut pieces) = (String::new(), answer.bytes_stream());
    let reading = async {
        while let Some(piece) = pieces.next().await {
            text += &String::from_utf8_lossy(&piece.map_err(|_| "was cut")?);
        }
        Err("ended before it was to".to_owned())
    };
    if let Ok(ended) = tokio::time::timeout(time, reading).await {
        return ended;
    }
    let wanted: String = (0..EVENTS).map(origin::event).collect();
    if wanted.starts_with(&text) { Ok(()) } else { Err("brought something else".to_owned()) }
}

/// Tokens that were never there, and one that was rotated away.
pub(crate) async fn wrong_tokens(world: Arc<World>, tally: Arc<Tally>, stop: CancellationToken) {
    let clients = Arc::new(Clients::new(&world));
    paced(WRONG, stop, || {
        let (clients, tally) = (clients.clone(), tally.clone());
        async move {
            let (id, client) = clients.next();
            let tunnel = clients.world.tunnel();
            let retired = clients.world.retired().filter(|_| id.is_multiple_of(2));
            let (what, token, codes) = match retired {
                // It is known as one that has expired until the next one is made, and forgotten then.
                Some(token) => {
                    ("rotated token", token, &["401 expired_token", "401 invalid_token", "429 rate_limited"][..])
                }
                None => ("wrong token", format!("gtz_{id:043}"), &["401 invalid_token", "429 rate_limited"][..]),
            };
            let request = client.get(format!("{}read/{id}", tunnel.url)).bearer_auth(token).timeout(PATIENCE);
            tally.answer(what, request, codes, None).await;
        }
    })
    .await;
}

/// Begins one after the other until it is told to stop, and waits for the last.
async fn paced<F>(pace: Duration, stop: CancellationToken, one: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut ticks = tokio::time::interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        running.spawn(one());
        while let Some(ended) = running.try_join_next() {
            ended.unwrap();
        }
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}
