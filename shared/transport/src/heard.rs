//! Whether the peer still answers: that it says something is not enough, as a network may carry one direction only.

use std::time::Duration;

/// What has come of the peer so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Over QUIC.
    Quic {
        /// Acknowledgements that have come (RFC 9000 §19.3): what this side says arrives, and so does what the peer says.
        acknowledgements: u64,
        /// What was sent that has to be acknowledged (RFC 9000 §13.2): each rise asks for one more of those.
        asked: u64,
    },
    /// Over TCP, where the system acknowledges: nothing has come for so long. The agent asks for a sign of life every
    /// [`gantz_shared::limits::KEEP_ALIVE_INTERVAL`], so that there is one for either side.
    Tcp(Duration),
}
