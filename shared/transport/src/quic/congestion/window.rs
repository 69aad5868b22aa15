//! The window itself. See the folder's head.

use std::time::{Duration, Instant};

use super::curve::{Curve, LEFT};
use super::losses::Losses;
use super::rounds::Rounds;

/// Packets that may be on their way whatever happens: RFC 9002 §7.2.
const MINIMUM_PACKETS: f64 = 2.0;

/// Queue from which a loss is taken for its. Less than the 5 ms that CoDel lets it grow to (RFC 8289), as what CoDel
/// drops is to count; and the less, the shorter are the queues at which this shares as CUBIC does. More than what bursts make
/// of it: quinn sends what is due in 2 ms at once, but the first of it waits for nothing.
const QUEUE: Duration = Duration::from_millis(2);

/// The part of [`QUEUE`] below which a link has room, a divisor.
const ROOM: u32 = 2;

/// Queue by which a window without one grows in a round, where it fills the link exactly; more where [`PROBE_SHARES`] has
/// it so.
const PROBE: Duration = Duration::from_millis(2);

/// The same as a share of the window, of 1, at least and at most: from a thirtieth of a link to all of it in 140 and in 29
/// rounds.
const PROBE_SHARES: (f64, f64) = (1.0 / 40.0, 1.0 / 8.0);

/// See the module's head.
#[derive(Debug, Clone)]
pub(super) struct Window {
    bytes: f64,
    mtu: f64,
    /// Without one it is slow start.
    curve: Option<Curve>,
    /// Window at which slow start ends, queue or not: after a collapse.
    threshold: f64,
    /// When it last gave way: what was sent before says nothing new (RFC 9002 §7.3.2).
    gave_way: Option<Instant>,
    /// Whether that was for losses alone.
    was_blind: bool,
    /// Of the acknowledgement that is being read: bytes that have arrived, and those of them for which the window may grow.
    arrived: u64,
    counts: u64,
    /// When the last one was read.
    settled: Option<Instant>,
    rounds: Rounds,
    losses: Losses,
}

/// Bytes that may be on their way before anything is known (RFC 9002 §7.2). More than two packets of any size that is used
/// here: quinn keeps room for one, and a packet that comes alone is acknowledged 25 ms later.
fn initial(mtu: f64) -> f64 {
    (10.0 * mtu).min((2.0 * mtu).max(14_720.0))
}

impl Window {
    pub(super) fn new(mtu: u16) -> Self {
        Self {
            bytes: initial(mtu.into()),
            mtu: f64::from(mtu),
            curve: None,
            threshold: f64::INFINITY,
            gave_way: None,
            was_blind: false,
            arrived: 0,
            counts: 0,
            settled: None,
            rounds: Rounds::new(),
            losses: Losses::new(),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// What it is before anything is known.
    pub(super) fn initial(&self) -> u64 {
        initial(self.mtu) as u64
    }

    pub(super) fn set_mtu(&mut self, mtu: u16) {
        let before = std::mem::replace(&mut self.mtu, f64::from(mtu));
        if let Some(curve) = &mut self.curve {
            curve.scale(before / self.mtu);
        }
        let is_new = self.curve.is_none() && self.threshold.is_infinite();
        self.bytes = self.bytes.max(if is_new { initial(self.mtu) } else { self.minimum() });
    }

    /// `bytes` that were `sent` have arrived. `is_unused`: there was nothing more to send.
    pub(super) fn acknowledged(&mut self, now: Instant, sent: Instant, bytes: u64, is_unused: bool) {
        self.rounds.acknowledged(now, sent);
        self.losses.acknowledged(bytes as f64);
        self.arrived += bytes;
        if !is_unused && self.gave_way.is_none_or(|gave_way| sent > gave_way) {
            self.counts += bytes;
        }
    }

    /// An acknowledgement is read to its end, and leaves so many bytes on their way. Where they and what has arrived are
    /// less than half a window, that says nothing of a larger one (RFC 9002 §7.8; quinn, too, knows who has nothing to
    /// send, but takes whoever sends in bursts, and so waits for its pacing, for one who could use more).
    pub(super) fn settle(&mut self, now: Instant, on_their_way: u64) {
        let later = self.settled.replace(now).map_or(Duration::ZERO, |settled| now.saturating_duration_since(settled));
        // Half of the least window is all that quinn lets go at once: it keeps room for a packet besides.
        let was_used = 2 * (on_their_way + std::mem::take(&mut self.arrived)) >= self.bytes();
        let bytes = std::mem::take(&mut self.counts) as f64;
        if was_used && bytes > 0.0 {
            self.grow(bytes, later);
        }
    }

    /// For `bytes` that have arrived, `later` than the last ones.
    fn grow(&mut self, bytes: f64, later: Duration) {
        let (queue, base) = (self.rounds.queue(), self.rounds.base());
        if self.curve.is_none() && self.bytes < self.threshold && queue < way_out(base) {
            self.bytes += bytes;
            return;
        }
        let window = self.bytes / self.mtu;
        let curve = self.curve.get_or_insert_with(|| Curve::flat(window));
        let by_curve = curve.growth(window, bytes / self.bytes, later, self.rounds.current()) * self.mtu;
        // Where losses alone have shown where it is full, there is no queue to see it by: it is full there again.
        let has_room = queue < significant(base) / ROOM && !(self.was_blind && curve.is_rising());
        let by_probe = if has_room { bytes * probe(base) } else { 0.0 };
        self.bytes += by_curve.max(by_probe);
    }

    /// `bytes` are lost, the last of which were `sent` then; none says that the network has marked what it would have
    /// lost (RFC 3168).
    pub(super) fn lost(&mut self, now: Instant, sent: Instant, bytes: u64) {
        if self.gave_way.is_some_and(|gave_way| sent <= gave_way) {
            return;
        }
        let is_borne = self.losses.are_borne(bytes as f64, self.bytes, self.mtu);
        let has_queue = self.rounds.queue() >= significant(self.rounds.base());
        if bytes == 0 || has_queue || !is_borne {
            self.was_blind = !has_queue;
            self.give_way(now);
        }
    }

    /// Everything was lost for longer than chance has it (RFC 9002 §7.6): the least window, and slow start to where it was.
    /// The path may be another: what is known of it goes (§5.2).
    pub(super) fn collapse(&mut self, now: Instant) {
        // The next one, in the same slow start, says nothing of where that is to end.
        if self.curve.is_some() || self.threshold.is_infinite() {
            self.threshold = (self.bytes * LEFT).max(self.minimum());
        }
        self.bytes = self.minimum();
        (self.curve, self.gave_way) = (None, Some(now));
        (self.rounds, self.losses) = (Rounds::new(), Losses::new());
    }

    fn give_way(&mut self, now: Instant) {
        self.gave_way = Some(now);
        self.curve = Some(Curve::after(self.bytes / self.mtu, self.curve.as_ref()));
        self.bytes = (self.bytes * LEFT).max(self.minimum());
        self.losses = Losses::new();
    }

    fn minimum(&self) -> f64 {
        MINIMUM_PACKETS * self.mtu
    }
}

/// Queue at which slow start ends on a path of such a round trip: RFC 9406 §4.2's `RttThresh`.
fn way_out(round_trip: Duration) -> Duration {
    (round_trip / 8).clamp(Duration::from_millis(4), Duration::from_millis(16))
}

/// Queue that is more than chance on a path of such a round trip; on a short one, a queue as long as the path itself.
fn significant(round_trip: Duration) -> Duration {
    QUEUE.min(round_trip)
}

/// Share by which a window grows in a round while there is no queue.
fn probe(round_trip: Duration) -> f64 {
    let (least, most) = PROBE_SHARES;
    (PROBE.as_secs_f64() / round_trip.as_secs_f64().max(1e-9)).clamp(least, most)
}
