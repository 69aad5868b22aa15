//! What a line says, in this order.

use gantz_shared::reset::StreamCode;
use serde::Serialize;
use serde_json::Value;

/// What is written.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    Call(Line<'a>),
}

/// A call. Of a batch each message has a line; status, duration and bytes are those of the whole request.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Line<'a> {
    /// The token's label, or its id where it has none; none where the tunnel is open.
    pub(super) token: Option<&'a str>,
    pub(super) token_id: Option<&'a str>,
    pub(super) http_method: &'a str,
    pub(super) path: &'a str,
    /// `request`, `notification` or `response`; none where there is no message, or it was not read.
    pub(super) message: Option<&'a str>,
    pub(super) method: Option<&'a str>,
    pub(super) tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a Value>,
    /// Why it is not known what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unread: Option<&'static str>,
    /// How many messages the request had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) batch: Option<usize>,
    /// None: no answer was begun.
    pub(super) status: Option<u16>,
    pub(super) duration_ms: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    /// Only where the caller did not get the local server's whole answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<&'static str>,
    /// What the caller was told in `Gantz-Error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<&'static str>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The caller got the local server's whole answer.
    Whole,
    /// The agent answered in its place, or withheld the rest, for this reason.
    Refused(&'static str),
    /// It broke off.
    Broken(StreamCode),
    /// The tunnel was lost, or the agent stopped.
    Cut,
}

impl Outcome {
    pub(super) fn word(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Refused(_) => Some("refused"),
            Self::Cut => Some("cut"),
            Self::Broken(code) => Some(match code {
                StreamCode::Cancelled | StreamCode::BodyAborted | StreamCode::NotNeeded => "cancelled",
                StreamCode::BodyTooLarge => "body_too_large",
                StreamCode::UpstreamUnavailable => "upstream_unavailable",
                StreamCode::UpstreamTimeout => "upstream_timeout",
                StreamCode::UpstreamInvalid | StreamCode::UpstreamTooLarge => "upstream_invalid",
                StreamCode::UpstreamLost => "upstream_lost",
                _ => "protocol",
            }),
        }
    }

    pub(super) fn code(self) -> Option<&'static str> {
        match self {
            Self::Refused(code) => Some(code),
            _ => None,
        }
    }
}
