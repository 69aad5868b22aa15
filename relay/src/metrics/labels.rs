//! The labels, and every value that each of them can have: none comes from a caller or an agent.

use gantz_shared::control::RefusalCode;
use gantz_transport::Lost;
use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;

use super::Label;
use super::labelled::labels;
use crate::edge::Code;

labels! {
    /// What carries a tunnel.
    enum Transport = "transport" {
        Quic = "quic",
        Tcp = "tcp",
    }
}

labels! {
    /// How a tunnel ended.
    enum Closed = "reason" {
        /// The agent said so.
        Goodbye = "goodbye",
        /// The agent's end closed the connection without a goodbye.
        ByAgent = "closed",
        /// Nothing came any more.
        Silent = "silent",
        /// Anything else that ends a connection.
        Broken = "broken",
        /// The agent broke the protocol.
        Protocol = "protocol",
        /// This relay closed it: the agent has a newer tunnel, or its access key is dead.
        ByRelay = "by_relay",
        /// This relay stops.
        Shutdown = "shutdown",
    }
}

impl From<&Lost> for Closed {
    fn from(lost: &Lost) -> Self {
        match lost {
            Lost::Closed { .. } => Self::ByAgent,
            Lost::Here => Self::ByRelay,
            Lost::Silent => Self::Silent,
            _ => Self::Broken,
        }
    }
}

labels! {
    /// Why there is no tunnel: as agents are told, or before they could be.
    enum NoTunnel = "reason" {
        BadKey = "bad_key",
        NameTaken = "name_taken",
        InvalidName = "invalid_name",
        InvalidHello = "invalid_hello",
        RelayFull = "relay_full",
        Draining = "draining",
        TooOld = "too_old",
        QuotaReached = "quota_reached",
        NameNotAllowed = "name_not_allowed",
        Superseded = "superseded",
        Unknown = "unknown",
        /// There was no place for its handshake.
        TurnedAway = "turned_away",
        /// QUIC or TLS did not come about.
        Handshake = "handshake",
        /// It said something else than hello, or nothing in time.
        Protocol = "protocol",
    }
}

impl From<RefusalCode> for NoTunnel {
    fn from(code: RefusalCode) -> Self {
        match code {
            RefusalCode::BadKey => Self::BadKey,
            RefusalCode::NameTaken => Self::NameTaken,
            RefusalCode::InvalidName => Self::InvalidName,
            RefusalCode::InvalidHello => Self::InvalidHello,
            RefusalCode::RelayFull => Self::RelayFull,
            RefusalCode::Draining => Self::Draining,
            RefusalCode::TooOld => Self::TooOld,
            RefusalCode::QuotaReached => Self::QuotaReached,
            RefusalCode::NameNotAllowed => Self::NameNotAllowed,
            RefusalCode::Superseded => Self::Superseded,
            _ => Self::Unknown,
        }
    }
}

labels! {
    /// What a connection of the public speaks.
    enum Protocol = "protocol" {
        /// HTTP/1.1 over TLS.
        Http1 = "http1",
        /// HTTP/2 over TLS.
        Http2 = "http2",
        /// HTTP/1.1 in clear, from a proxy that ends TLS.
        Plain = "plain",
        /// HTTP/1.1 in clear, to be sent to HTTPS.
        Redirect = "redirect",
    }
}

labels! {
    /// Why a connection of the public was closed before it spoke.
    enum NoConnection = "reason" {
        /// There are as many from its source as there may be.
        PerSource = "per_source",
        /// TLS did not come about.
        HandshakeFailed = "handshake_failed",
        /// Nor in time.
        HandshakeTimeout = "handshake_timeout",
    }
}

labels! {
    /// Why a caller may not call.
    enum AuthFailure = "reason" {
        /// It showed no token.
        Missing = "missing",
        /// It showed none of the tunnel's.
        Wrong = "wrong",
        /// It showed a dead one.
        Expired = "expired",
        /// It did so too often.
        RateLimited = "rate_limited",
    }
}

labels! {
    /// Which way a body goes.
    enum Direction = "direction" {
        /// To the agent's side.
        In = "in",
        /// From there.
        Out = "out",
    }
}

labels! {
    /// The hundreds of a status (RFC 9110 §15).
    enum Class = "class" {
        Informational = "1xx",
        Successful = "2xx",
        Redirection = "3xx",
        ClientError = "4xx",
        ServerError = "5xx",
    }
}

impl From<StatusCode> for Class {
    fn from(status: StatusCode) -> Self {
        match status.as_u16() {
            ..200 => Self::Informational,
            200..300 => Self::Successful,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            // RFC 9110 §15: whoever gets one above 599 takes it for a 5xx.
            500.. => Self::ServerError,
        }
    }
}

labels! {
    /// Who answered.
    enum Origin = "origin" {
        /// The local server, or its agent.
        Upstream = "upstream",
        /// This relay.
        Edge = "edge",
    }
}

/// What was answered, by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered(pub(crate) Class, pub(crate) Origin);

impl Label for Answered {
    const ALL: &'static [Self] = &[
        Self(Class::Informational, Origin::Upstream),
        Self(Class::Informational, Origin::Edge),
        Self(Class::Successful, Origin::Upstream),
        Self(Class::Successful, Origin::Edge),
        Self(Class::Redirection, Origin::Upstream),
        Self(Class::Redirection, Origin::Edge),
        Self(Class::ClientError, Origin::Upstream),
        Self(Class::ClientError, Origin::Edge),
        Self(Class::ServerError, Origin::Upstream),
        Self(Class::ServerError, Origin::Edge),
    ];

    fn set(self) -> impl EncodeLabelSet {
        [("class", self.0.value()), ("origin", self.1.value())]
    }

    fn place(self) -> usize {
        self.0.place() * Origin::ALL.len() + self.1.place()
    }
}

impl Label for Code {
    const ALL: &'static [Self] = Self::ALL;

    fn set(self) -> impl EncodeLabelSet {
        [("code", self.row().1)]
    }

    fn place(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn each_has_its_own_place<L: Label>() {
        let places: Vec<_> = L::ALL.iter().map(|label| label.place()).collect();
        assert_eq!(places, (0..L::ALL.len()).collect::<Vec<_>>(), "{}", std::any::type_name::<L>());
    }

    #[test]
    fn places() {
        each_has_its_own_place::<Answered>();
        each_has_its_own_place::<Code>();
        each_has_its_own_place::<NoTunnel>();
    }

    #[test]
    fn reasons_are_called_as_agents_are_told() {
        for code in [RefusalCode::BadKey, RefusalCode::QuotaReached, RefusalCode::NameNotAllowed] {
            assert_eq!(NoTunnel::from(code).value(), code.as_str());
        }
    }
}
