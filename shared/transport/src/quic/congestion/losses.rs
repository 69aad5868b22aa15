//! Whether there are too many losses for chance: a bucket of bytes that acknowledgements fill and losses empty.

/// Share of what arrives that may be lost besides, of 1. Radio is seldom worse; BBRv2 and v3 (draft-ietf-ccwg-bbr) bear 2 %
/// a round before they give way. Half as much again lets a link that loses 2 % be told from a worse one.
const BORNE: f64 = 0.03;

/// Packets that may be lost at once, whatever the window: losses come in bursts, and with a small window one of them is
/// a large share.
const BURST_PACKETS: f64 = 6.0;

/// The same as a share of a larger window, of 1. With it a link that loses 2 % at random empties the bucket less than once
/// in thousands of rounds.
const BURST_SHARE: f64 = 1.0 / 16.0;

/// See the module's head.
#[derive(Debug, Clone)]
pub(super) struct Losses {
    /// Bytes that may still be lost; cut to what a burst may be only when there is one.
    left: f64,
}

impl Losses {
    pub(super) fn new() -> Self {
        Self { left: f64::INFINITY }
    }

    /// `bytes` arrived.
    pub(super) fn acknowledged(&mut self, bytes: f64) {
        self.left += BORNE * bytes;
    }

    /// `bytes` were lost: whether chance can have done that, with such a `window` of bytes in packets of `mtu`.
    pub(super) fn are_borne(&mut self, bytes: f64, window: f64, mtu: f64) -> bool {
        self.left = self.left.min((BURST_PACKETS * mtu).max(BURST_SHARE * window)) - bytes;
        self.left >= 0.0
    }
}
