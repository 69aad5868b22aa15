//! The messages of the control stream: JSON behind a four-byte big-endian length, 64 KiB at most. Unknown fields are
//! ignored, so that either end can learn to say more; an unknown message is an error, so that neither misses what the
//! other relies on.

use std::fmt;

use bytes::{Buf, BufMut, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_ALLOWED_ORIGINS, MAX_CONTROL_MESSAGE, MAX_LABEL, MAX_TOKENS};
use crate::name::Name;
use crate::rate::Rate;
use crate::token::Digest;

/// What an agent says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FromAgent {
    /// The first message.
    Hello(Hello),
    /// Replaces all tokens of the tunnel.
    SetTokens {
        /// Counts up; the answer repeats it.
        generation: u64,
        /// All live tokens.
        tokens: Vec<TokenEntry>,
    },
    /// The welcome has come: callers may be sent here. Said where the relay [waits](Welcome::awaited) for it.
    Arrived,
    /// The tunnel is closed on purpose: its name is not held for the agent's return.
    Goodbye,
}

/// What a relay says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FromRelay {
    /// The tunnel is open.
    Welcome(Welcome),
    /// The tunnel is not opened.
    Refused(Refused),
    /// From now on callers are checked against this generation of tokens.
    TokensApplied {
        /// The generation of [`FromAgent::SetTokens`].
        generation: u64,
        /// When each of them dies.
        #[serde(default)]
        lives: Vec<TokenLife>,
    },
    /// A newer ticket in place of the one of `welcome`: the relay's key has changed.
    Ticket {
        /// As [`Welcome::resume`].
        resume: Secret,
    },
    /// The relay will close the tunnel; a new one can be opened now.
    Draining {
        /// Seconds until streams that are still open are cut.
        deadline_secs: u64,
    },
}

/// An agent introduces itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// Name and version of the agent, for the log.
    pub agent: String,
    /// The relay's permission to open tunnels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<Secret>,
    /// The name the user asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_name: Option<String>,
    /// The ticket of an earlier `welcome`: the same name again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Secret>,
    /// With a ticket and a run: the tunnel that has the name now is this run's own, which closes it when nothing is left to
    /// do there. Without this it is closed at once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub moves: bool,
    /// Which run of which agent this is.
    #[serde(flatten)]
    pub run: Option<Run>,
    /// Who may call.
    #[serde(flatten)]
    pub policy: Policy,
}

/// A run of an agent: all that one process opens for one tunnel. It tells an agent that comes back from another one with a
/// copy of its ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// A random word.
    #[serde(rename = "run")]
    pub id: String,
    /// Counts up what it opens: a hello that comes late, when the run has opened something newer, takes nothing from it.
    #[serde(default)]
    pub opening: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Who may call through a tunnel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Policy {
    /// `true`: everybody, without a token. Deliberate, and never a default.
    #[serde(default)]
    pub open: bool,
    /// The live tokens.
    #[serde(default)]
    pub tokens: Vec<TokenEntry>,
    /// Browser origins that may call besides the tunnel's own and loopback ones; `*` is every origin.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
}

/// One live token, as the relay knows it.
///
/// Only the relay's clock counts for its end. An agent gives a new token a time to live, learns from the relay when that
/// ends, and says the latter when it comes back: no clock but one is ever compared with another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenEntry {
    /// Names the token in logs and to the agent; not secret.
    pub id: String,
    /// SHA-256 of the token.
    pub digest: Digest,
    /// Seconds from now after which it dies. For a token that the relay knows already this can only shorten its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// Seconds since 1970 by the relay's clock at which it dies. Without this and `ttl`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// How often it may be used; none: as often as the relay lets any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// What its owner calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl TokenEntry {
    /// A token that lives as long as its tunnel.
    #[must_use]
    pub fn new(id: impl Into<String>, digest: Digest) -> Self {
        Self { id: id.into(), digest, ttl: None, expires_at: None, rate: None, label: None }
    }
}

/// When a token dies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenLife {
    /// The token's id.
    pub id: String,
    /// Seconds since 1970 by the relay's clock; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

/// The relay opens the tunnel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Welcome {
    /// The tunnel's name.
    pub name: Name,
    /// Its public origin, such as `https://cool-penguin-7f3k9q.relay.example.com`, without a path.
    pub url: String,
    /// Brings the same name back later.
    pub resume: Secret,
    /// The relay's version, for the log.
    #[serde(default)]
    pub relay: String,
    /// What the relay lets through.
    pub limits: Limits,
    /// When each of the tunnel's tokens dies.
    #[serde(default)]
    pub lives: Vec<TokenLife>,
    /// The agent moves: callers are sent to the tunnel that it moves from until it says [`FromAgent::Arrived`] here, as a
    /// network that lets a hello through need not let its answer through.
    #[serde(default, skip_serializing_if = "is_false")]
    pub awaited: bool,
}

/// The relay's limits, so that an agent can tell its user before they are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest request body, bytes; 0: no limit.
    pub max_body: u64,
}

/// The relay does not open the tunnel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refused {
    /// Which kind of refusal, for programs.
    pub code: RefusalCode,
    /// What to show to the user.
    pub message: String,
    /// Seconds after which another try makes sense; none: the refusal is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefusalCode {
    /// The access key is missing, wrong, revoked or expired.
    BadKey,
    /// Somebody else holds the name.
    NameTaken,
    /// The wish is not a name.
    InvalidName,
    /// The message breaks a limit.
    InvalidHello,
    /// The relay has as many tunnels as it may have.
    RelayFull,
    /// The relay is shutting down.
    Draining,
    /// The agent is too old for this relay.
    TooOld,
    /// The access key has as many tunnels open, or names reserved, as it may have.
    QuotaReached,
    /// The access key is not for this name.
    NameNotAllowed,
    /// Another agent has opened the tunnel with a newer ticket than this one has.
    Superseded,
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

impl RefusalCode {
    /// As it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadKey => "bad_key",
            Self::NameTaken => "name_taken",
            Self::InvalidName => "invalid_name",
            Self::InvalidHello => "invalid_hello",
            Self::RelayFull => "relay_full",
            Self::Draining => "draining",
            Self::TooOld => "too_old",
            Self::QuotaReached => "quota_reached",
            Self::NameNotAllowed => "name_not_allowed",
            Self::Superseded => "superseded",
            Self::Unknown => "unknown",
        }
    }
}

/// A secret in a message: it travels, but `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Policy {
    /// Checks what serde cannot: counts and lengths.
    ///
    /// # Errors
    /// [`ControlError::Limit`] names what is over its limit.
    pub fn check(&self) -> Result<(), ControlError> {
        if self.allowed_origins.len() > MAX_ALLOWED_ORIGINS {
            return Err(ControlError::Limit { what: "allowed origins", limit: MAX_ALLOWED_ORIGINS });
        }
        check_tokens(&self.tokens)
    }
}

/// Checks a list of tokens against its limits.
///
/// # Errors
/// [`ControlError::Limit`] names what is over its limit.
pub fn check_tokens(tokens: &[TokenEntry]) -> Result<(), ControlError> {
    if tokens.len() > MAX_TOKENS {
        return Err(ControlError::Limit { what: "tokens", limit: MAX_TOKENS });
    }
    let mut ids: Vec<_> = tokens.iter().map(|token| token.id.as_str()).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(ControlError::Malformed("two tokens have one id".into()));
    }
    let names = || tokens.iter().flat_map(|token| [Some(&token.id), token.label.as_ref()]).flatten();
    if names().any(|name| name.len() > MAX_LABEL) {
        return Err(ControlError::Limit { what: "characters in a token's id or label", limit: MAX_LABEL });
    }
    // They end up in logs.
    if names().any(|name| name.chars().any(char::is_control)) {
        return Err(ControlError::Malformed("a control character in a token's id or label".into()));
    }
    Ok(())
}

/// Appends one message.
///
/// # Errors
/// [`ControlError::TooLong`]; `out` is then as it was.
pub fn encode(message: &impl Serialize, out: &mut BytesMut) -> Result<(), ControlError> {
    let start = out.len();
    out.put_u32(0);
    let written = serde_json::to_writer((&mut *out).writer(), message);
    let len = out.len() - start - 4;
    if let Err(error) = written {
        out.truncate(start);
        return Err(ControlError::Malformed(error.to_string()));
    }
    if len > MAX_CONTROL_MESSAGE {
        out.truncate(start);
        return Err(ControlError::TooLong(len));
    }
    out[start..start + 4].copy_from_slice(&(len as u32).to_be_bytes());
    Ok(())
}

/// Takes one message off the front of `buf`; `None` when it is not all there yet.
///
/// # Errors
/// [`ControlError`]; the tunnel is then to be closed.
pub fn decode<M: DeserializeOwned>(buf: &mut BytesMut) -> Result<Option<M>, ControlError> {
    let Some(prefix) = buf.first_chunk::<4>() else { return Ok(None) };
    let len = u32::from_be_bytes(*prefix) as usize;
    if len > MAX_CONTROL_MESSAGE {
        return Err(ControlError::TooLong(len));
    }
    if buf.len() < 4 + len {
        return Ok(None);
    }
    buf.advance(4);
    let message = buf.split_to(len);
    // The text of serde's error can quote the message, and with it a secret: only its place is told.
    serde_json::from_slice(&message)
        .map(Some)
        .map_err(|error| ControlError::Malformed(format!("{:?} error at column {}", error.classify(), error.column())))
}

/// What is wrong with a control message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Over [`MAX_CONTROL_MESSAGE`].
    #[error("control message of {0} bytes is over the limit of {MAX_CONTROL_MESSAGE}")]
    TooLong(usize),
    /// Not a message that this version knows.
    #[error("malformed control message: {0}")]
    Malformed(String),
    /// More of something than allowed.
    #[error("more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
}
