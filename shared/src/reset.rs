//! Why a stream or a tunnel ended: the application error codes of `gantz/1` (RFC 9000 §20.2).

/// The code of a request stream's reset or stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[non_exhaustive]
pub enum StreamCode {
    /// No reason given: a stream that was dropped.
    Dropped = 0,
    /// The other end sent what the protocol does not allow.
    Protocol = 1,
    /// The caller went away; stop the work.
    Cancelled = 2,
    /// The receiver needs no more of the body; the answer is unaffected.
    NotNeeded = 3,
    /// The caller's body ended early or broke off.
    BodyAborted = 4,
    /// The caller's body is over the relay's limit.
    BodyTooLarge = 5,
    /// The local server refuses connections.
    UpstreamUnavailable = 16,
    /// The local server sent no head in time.
    UpstreamTimeout = 17,
    /// The local server answered with something that is not HTTP.
    UpstreamInvalid = 18,
    /// The local server broke off, before its answer or in the middle of it.
    UpstreamLost = 19,
    /// The agent is about to go, and takes no new request.
    Leaving = 20,
    /// The head of the local server's answer is over what the tunnel takes.
    UpstreamTooLarge = 21,
}

impl StreamCode {
    const ALL: [Self; 12] = [
        Self::Dropped,
        Self::Protocol,
        Self::Cancelled,
        Self::NotNeeded,
        Self::BodyAborted,
        Self::BodyTooLarge,
        Self::UpstreamUnavailable,
        Self::UpstreamTimeout,
        Self::UpstreamInvalid,
        Self::UpstreamLost,
        Self::Leaving,
        Self::UpstreamTooLarge,
    ];

    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> u32 {
        self as u32
    }

    /// Reads a code from the wire; one that this version does not know tells no more than [`Self::Dropped`].
    #[must_use]
    pub fn from_code(code: u64) -> Self {
        Self::ALL.into_iter().find(|known| u64::from(known.code()) == code).unwrap_or(Self::Dropped)
    }
}

/// The code of a tunnel's close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[non_exhaustive]
pub enum CloseCode {
    /// The tunnel's work is done.
    Done = 0,
    /// The other end sent what the protocol does not allow.
    Protocol = 1,
    /// The handshake was not done in [`crate::limits::HANDSHAKE_DEADLINE`].
    HandshakeTimeout = 2,
    /// A `refused` message on the control stream says why.
    Refused = 3,
    /// A newer tunnel of this name was opened, by the same agent or by another one that has as much right to it.
    Replaced = 4,
    /// The relay is shutting down; come back soon.
    ShuttingDown = 5,
}

impl CloseCode {
    const ALL: [Self; 6] =
        [Self::Done, Self::Protocol, Self::HandshakeTimeout, Self::Refused, Self::Replaced, Self::ShuttingDown];

    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> u32 {
        self as u32
    }

    /// Reads a code from the wire; unknown ones are `None`.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|known| u64::from(known.code()) == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip() {
        for code in StreamCode::ALL {
            assert_eq!(StreamCode::from_code(code.code().into()), code);
        }
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::from_code(code.code().into()), Some(code));
        }
        assert_eq!(StreamCode::from_code(u64::MAX), StreamCode::Dropped);
        assert_eq!(CloseCode::from_code(u64::MAX), None);
    }
}
