//! How often callers may do what.

use std::num::NonZeroUsize;

use gantz_shared::rate::Rate;

/// How often a token may be used, unless its owner says otherwise: far more than a client does, and less than would
/// keep a small relay from its other tunnels.
pub const TOKEN_RATE: Rate = Rate::per_second(5_000, 10_000);

/// How often a tunnel may be called, by all of its callers together.
pub const TUNNEL_RATE: Rate = Rate::per_second(10_000, 20_000);

/// How often one source may show a wrong token: a person mends a configuration in less, and a guess is worth nothing
/// at this rate.
pub const GUESS_RATE: Rate = Rate::per_second(1, 30);

/// How often one source may come without a token: clients begin so, and hosted ones share addresses.
pub const MISSING_TOKEN_RATE: Rate = Rate::per_second(10, 50);

/// How often the agents of one source may change their tunnels' tokens; over it, changes wait, also over a reconnect.
/// Whoever makes, rotates and revokes tokens in a loop needs less, and each change costs the relay as much as hundreds of
/// calls.
pub const TOKEN_CHANGES: Rate = Rate::per_second(20, 1_000);

/// Sources whose wrong tokens are counted; the one that was not seen for longest is forgotten for another.
pub const MAX_GUESSERS: NonZeroUsize = match NonZeroUsize::new(10_000) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};

/// Sources whose requests without a token are counted; the one that was not seen for longest is forgotten for another.
pub const MAX_STRANGERS: NonZeroUsize = MAX_GUESSERS;

/// How often callers may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Calls with one token, unless its owner gave it a rate of its own.
    pub token: Rate,
    /// Calls of one tunnel.
    pub tunnel: Rate,
    /// Wrong tokens from one source.
    pub guess: Rate,
    /// Requests without a token from one source.
    pub missing_token: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self { token: TOKEN_RATE, tunnel: TUNNEL_RATE, guess: GUESS_RATE, missing_token: MISSING_TOKEN_RATE }
    }
}
