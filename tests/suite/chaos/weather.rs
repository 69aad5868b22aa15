//! Networks that are bad at random, the same way again for the same seed.

use std::fmt::Display;
use std::time::Duration;

use gantz_tests::link::{Fate, Way, Weather};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Sets the seed of every scenario, to see one again.
const SEED: &str = "GANTZ_CHAOS_SEED";

/// What the network does, drawn for each datagram.
#[derive(Clone, Copy)]
pub(crate) struct Chances {
    /// How many of a hundred are lost.
    pub(crate) lost: f64,
    /// How many of a hundred come twice.
    pub(crate) twice: f64,
    /// How many of a hundred are overtaken by others, by up to [`OVERTAKEN`].
    pub(crate) overtaken: f64,
    /// How long each takes.
    pub(crate) delay: Duration,
}

/// How long a datagram is held back so that others overtake it.
pub(crate) const OVERTAKEN: Duration = Duration::from_millis(30);

/// Nothing but what is said besides.
pub(crate) const FAIR: Chances = Chances { lost: 0.0, twice: 0.0, overtaken: 0.0, delay: Duration::ZERO };

/// The dice of a scenario. Their seed is on stderr, which the harness shows when the test fails.
#[allow(clippy::print_stderr, reason = "a failure has to name its seed")]
pub(crate) fn dice(what: impl Display) -> StdRng {
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse().unwrap_or_else(|_| panic!("{SEED}={seed} is no number")),
        Err(_) => rand::rng().random(),
    };
    eprintln!("{what}: {SEED}={seed} draws the same again");
    StdRng::seed_from_u64(seed)
}

/// Weather of these chances.
pub(crate) fn weather(what: impl Display, chances: Chances) -> Weather {
    let mut dice = dice(what);
    Box::new(move |_: Way, _: &[u8]| {
        // Always as many throws: what one datagram meets says nothing of what the next ones do.
        let (fate, later): (f64, f64) = (dice.random_range(0.0..100.0), dice.random());
        let Chances { lost, twice, overtaken, delay } = chances;
        if fate < lost {
            Fate::Lost
        } else if fate < lost + twice {
            Fate::Twice
        } else if fate < lost + twice + overtaken {
            Fate::Late(delay + OVERTAKEN.mul_f64(later))
        } else if delay.is_zero() {
            Fate::Arrives
        } else {
            Fate::Late(delay)
        }
    })
}
