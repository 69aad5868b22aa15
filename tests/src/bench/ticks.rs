//! An answer that does not end: an event a second, numbered, with the time when it was sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Interval, MissedTickBehavior};

/// From one event of a stream to the next.
pub const PERIOD: Duration = Duration::from_secs(1);

/// See the module's head.
#[derive(Debug)]
pub struct Ticks {
    interval: Interval,
    number: u64,
}

impl Ticks {
    /// That of stream `index` of `count`, whose events are spread evenly over each period, whenever they were opened.
    pub fn new(index: u32, count: u32) -> Self {
        let period = PERIOD.as_nanos() as u64;
        let phase = period * u64::from(index) / u64::from(count.max(1));
        let wait = (period + phase - now() % period) % period;
        let begin = tokio::time::Instant::now() + Duration::from_nanos(wait);
        let mut interval = tokio::time::interval_at(begin, PERIOD);
        interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Self { interval, number: 0 }
    }
}

impl Body for Ticks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.interval.poll_tick(context));
        let event = format!("data: {} {}\n\n", self.number, now());
        self.number += 1;
        Poll::Ready(Some(Ok(Frame::data(event.into()))))
    }
}

/// Nanoseconds of a clock that all processes of this machine share.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later than 1970");
    u64::try_from(since.as_nanos()).expect("it is earlier than 2554")
}

/// Number and time of an event; none of what is no event, such as the edge's comments in a silence.
pub fn parse(event: &[u8]) -> Option<(u64, u64)> {
    let event = std::str::from_utf8(event).ok()?.trim_start().strip_prefix("data: ")?;
    let (number, sent) = event.trim_end().split_once(' ')?;
    Some((number.parse().ok()?, sent.parse().ok()?))
}
