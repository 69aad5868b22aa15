//! A stream of events, followed to its end and asked for again when it was cut: what it brought is whole and in order.

use std::sync::Arc;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::timeout;

use super::calls::answered;
use super::{Caller, NO_ANSWER, PACE, Server};

/// How a stream came to an end.
enum End {
    /// The server has ended it, and everything has come.
    Whole,
    /// It broke off.
    Cut,
}

/// Follows stream `number` until the server ends it. `seen` counts what it brings.
pub(super) async fn follow(caller: Arc<Caller>, server: Arc<Server>, number: usize, seen: watch::Sender<u64>) {
    let client = if number.is_multiple_of(2) { &caller.http1 } else { &caller.http2 };
    loop {
        let request = client.get(format!("{}/events", caller.aim.url)).bearer_auth(&caller.aim.token);
        if let Some(answer) = answered(&caller.tally, "stream", request).await {
            match read(answer, &seen).await {
                Ok(End::Whole) if server.is_over() => return,
                Ok(End::Whole) => caller.tally.fault(format!("stream {number} ended before it was told to")),
                Ok(End::Cut) => caller.tally.count("stream cut"),
                Err(why) => caller.tally.fault(format!("stream {number} {why}")),
            }
        }
        tokio::time::sleep(PACE).await;
    }
}

async fn read(answer: reqwest::Response, seen: &watch::Sender<u64>) -> Result<End, String> {
    let mut pieces = answer.bytes_stream();
    let mut events = Events::default();
    loop {
        match timeout(NO_ANSWER, pieces.next()).await {
            Err(_) => return Err(format!("was silent for {NO_ANSWER:?} after event {}", events.next)),
            Ok(Some(Ok(piece))) => {
                events.take(&piece)?;
                seen.send_if_modified(|count| {
                    let before = std::mem::replace(count, *count + events.fresh);
                    std::mem::take(&mut events.fresh);
                    *count != before
                });
            }
            Ok(Some(Err(_))) => return Ok(End::Cut),
            Ok(None) if events.is_ended && events.held.is_empty() => return Ok(End::Whole),
            Ok(None) => return Err(format!("ended cleanly after {} events, though the server did not", events.next)),
        }
    }
}

/// What a stream has brought.
#[derive(Default)]
struct Events {
    /// Which of the server's streams it is.
    stream: Option<u64>,
    /// The number that comes next.
    next: u64,
    /// How many have come since somebody asked.
    fresh: u64,
    is_ended: bool,
    /// Of an event that is not whole yet.
    held: Vec<u8>,
}

impl Events {
    fn take(&mut self, piece: &[u8]) -> Result<(), String> {
        self.held.extend_from_slice(piece);
        while let Some(end) = self.held.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.held.drain(..end + 2).collect();
            self.event(&String::from_utf8_lossy(&event))?;
        }
        Ok(())
    }

    fn event(&mut self, event: &str) -> Result<(), String> {
        let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) else {
            // The edge's comment in a silence.
            return if event.starts_with(':') { Ok(()) } else { Err(format!("brought {event:?}")) };
        };
        let mut words = data.split(' ').map(str::parse::<u64>);
        let (Some(Ok(stream)), Some(Ok(number))) = (words.next(), words.next()) else {
            return Err(format!("brought {event:?}"));
        };
        if *self.stream.get_or_insert(stream) != stream {
            return Err(format!("brought event {number} of another stream"));
        }
        if self.is_ended || number != self.next {
            return Err(format!("brought {number} where {} comes next", self.next));
        }
        if event.starts_with("event: end") {
            self.is_ended = true;
        } else {
            self.next += 1;
            self.fresh += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Events;

    #[test]
    fn what_is_lost_doubled_or_of_another_stream_is_seen() {
        let takes = |text: &str| Events::default().take(text.as_bytes());
        assert_eq!(takes("data: 1 0 x\n\n: alive\n\ndata: 1 1 x\n\nevent: end\ndata: 1 2\n\n"), Ok(()));
        for rest in ["data: 1 0\n\n", "data: 1 2\n\n", "data: 2 1\n\n", "event: end\ndata: 1 2\n\n", "no event\n\n"] {
            assert!(takes(&format!("data: 1 0 x\n\n{rest}")).is_err(), "{rest:?}");
        }
    }
}
