//! Whether the peer of a connection of QUIC still answers: that it says something is not enough, as a network may carry one
//! direction only.

/// See [`crate::Connection::quic_heard`]. Both only rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Acknowledgements that have come (RFC 9000 §19.3): what this side says arrives, and so does what the peer says.
    pub acknowledgements: u64,
    /// What was sent that has to be acknowledged (RFC 9000 §13.2): each rise asks for one more of those.
    pub asked: u64,
}
