//! A narrow link by a clock of its own: who sends over it, what it loses, and what comes of it. The same each time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use super::curve::{Curve, LEFT};
use super::window::Window;

/// Bytes of every packet.
pub(super) const MTU: u16 = 1200;

/// Who decides how much may be on its way.
pub(super) trait Decides {
    fn bytes(&self) -> u64;
    fn acknowledged(&mut self, now: Instant, sent: Instant, on_their_way: u64);
    fn lost(&mut self, now: Instant, sent: Instant);
    fn collapse(&mut self, now: Instant);
}

impl Decides for Window {
    fn bytes(&self) -> u64 {
        self.bytes()
    }

    fn acknowledged(&mut self, now: Instant, sent: Instant, on_their_way: u64) {
        self.acknowledged(now, sent, MTU.into(), false);
        self.settle(now, on_their_way);
    }

    fn lost(&mut self, now: Instant, sent: Instant) {
        self.lost(now, sent, MTU.into());
    }

    fn collapse(&mut self, now: Instant) {
        self.collapse(now);
    }
}

/// CUBIC as it is elsewhere: every loss is a full queue. Without slow start, as it is to share with one that runs.
pub(super) struct Cubic {
    window: f64,
    curve: Curve,
    gave_way: Option<Instant>,
    last: Option<Instant>,
}

impl Cubic {
    pub(super) fn new() -> Self {
        Self { window: 10.0, curve: Curve::flat(10.0), gave_way: None, last: None }
    }
}

impl Decides for Cubic {
    fn bytes(&self) -> u64 {
        (self.window * f64::from(MTU)) as u64
    }

    fn acknowledged(&mut self, now: Instant, sent: Instant, _on_their_way: u64) {
        let later = self.last.replace(now).map_or(Duration::ZERO, |last| now - last);
        if self.gave_way.is_none_or(|gave_way| sent > gave_way) {
            self.window += self.curve.growth(self.window, 1.0 / self.window, later, now - sent);
        }
    }

    fn lost(&mut self, now: Instant, sent: Instant) {
        if self.gave_way.is_none_or(|gave_way| sent > gave_way) {
            self.gave_way = Some(now);
            self.curve = Curve::after(self.window, Some(&self.curve));
            self.window = (self.window * LEFT).max(2.0);
        }
    }

    fn collapse(&mut self, _now: Instant) {
        self.window = 2.0;
    }
}

/// What a link is like.
#[derive(Clone, Copy)]
pub(super) struct Link {
    /// Bytes a second.
    pub(super) rate: f64,
    /// A round trip without a queue.
    pub(super) round_trip: Duration,
    /// Bytes that may wait.
    pub(super) queue: f64,
    /// Share that is lost at random.
    pub(super) loss: f64,
    /// How often acknowledgements come; all that are ready come at once.
    pub(super) batch: Duration,
}

/// 100 Mbit/s, 40 ms, a queue of as much as is on its way.
pub(super) const LINK: Link = Link {
    rate: 12.5e6,
    round_trip: Duration::from_millis(40),
    queue: 500e3,
    loss: 0.0,
    batch: Duration::from_micros(1),
};

/// What came of it for one sender.
#[derive(Default, Clone, Copy, Debug)]
pub(super) struct Came {
    pub(super) arrived: u64,
    pub(super) overran: u64,
    /// The largest window.
    pub(super) most: u64,
    /// What packets waited, all together.
    pub(super) waited: Duration,
}

impl Came {
    pub(super) fn share_of(&self, link: &Link, time: Duration) -> f64 {
        self.arrived as f64 * f64::from(MTU) / (link.rate * time.as_secs_f64())
    }

    pub(super) fn queue(&self) -> Duration {
        self.waited / self.arrived.max(1) as u32
    }
}

struct Flow<'a> {
    decides: &'a mut dyn Decides,
    on_its_way: BTreeMap<u64, Instant>,
    next: u64,
    smoothed: Duration,
    heard: Instant,
    came: Came,
}

/// The senders send all they may for `time` from `begin` on.
pub(super) fn run(link: &Link, begin: Instant, time: Duration, senders: &mut [&mut dyn Decides]) -> Vec<Came> {
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut flows: Vec<Flow<'_>> = senders
        .iter_mut()
        .map(|decides| {
            let (smoothed, came) = (link.round_trip, Came::default());
            Flow { decides: &mut **decides, on_its_way: BTreeMap::new(), next: 0, smoothed, heard: begin, came }
        })
        .collect();
    // What happens next: a sender's turn (no number), or a packet's acknowledgement.
    let mut events: BinaryHeap<Reverse<(Instant, usize, Option<u64>)>> = BinaryHeap::new();
    for which in 0..flows.len() {
        // Not all at the same moment.
        events.push(Reverse((begin + Duration::from_micros(700 * which as u64), which, None)));
    }
    let mut free = begin;
    while let Some(Reverse((now, which, number))) = events.pop() {
        if now > begin + time {
            break;
        }
        let flow = &mut flows[which];
        let Some(number) = number else {
            let window = flow.decides.bytes();
            if now > flow.heard + 4 * flow.smoothed + Duration::from_millis(100) && !flow.on_its_way.is_empty() {
                flow.decides.collapse(now);
                flow.on_its_way.clear();
                flow.heard = now;
            }
            if (flow.on_its_way.len() as u64 + 1) * u64::from(MTU) < window {
                let wait = free.saturating_duration_since(now);
                let is_lost = random() < link.loss;
                let has_room = wait.as_secs_f64() * link.rate + f64::from(MTU) <= link.queue;
                flow.came.overran += u64::from(!is_lost && !has_room);
                if !is_lost && has_room {
                    free = now + wait + Duration::from_secs_f64(f64::from(MTU) / link.rate);
                    let back = (free + link.round_trip).saturating_duration_since(begin).as_nanos();
                    let batch = link.batch.as_nanos();
                    let back = begin + Duration::from_nanos((back.div_ceil(batch) * batch) as u64);
                    events.push(Reverse((back, which, Some(flow.next))));
                    flow.came.arrived += 1;
                    flow.came.waited += wait;
                }
                flow.on_its_way.insert(flow.next, now);
                flow.next += 1;
            }
            // As quinn paces: a window in four fifths of a round trip.
            let gap = flow.smoothed.as_secs_f64() * f64::from(MTU) / (1.25 * window as f64);
            events.push(Reverse((now + Duration::from_secs_f64(gap).max(Duration::from_micros(1)), which, None)));
            continue;
        };
        let Some(sent) = flow.on_its_way.remove(&number) else { continue };
        flow.heard = now;
        flow.smoothed = (7 * flow.smoothed + (now - sent)) / 8;
        flow.decides.acknowledged(now, sent, flow.on_its_way.len() as u64 * u64::from(MTU));
        // RFC 9002 §6.1.1.
        while let Some(lost) = flow.on_its_way.first_entry().filter(|first| first.key() + 3 <= number) {
            flow.decides.lost(now, lost.remove());
        }
        flow.came.most = flow.came.most.max(flow.decides.bytes());
    }
    flows.into_iter().map(|flow| flow.came).collect()
}
