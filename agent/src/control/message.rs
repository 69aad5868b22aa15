//! What is said over the socket: one command and one answer a connection.

use std::time::Duration;

use gantz_shared::control::Secret;
use serde::{Deserialize, Serialize};

use crate::tokens::{Listed, Spec};

/// Bytes of one line; far more than any has.
pub(super) const MAX_LINE: u64 = 1 << 20;

/// How long the other side may take: longer than [`APPLY`] and than listing the tools.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// How long a process may take to say which tunnel it has: it has that at hand.
pub(super) const FIRST_WORD: Duration = Duration::from_secs(2);

/// How long an answer waits for the relay to take a change.
pub(super) const APPLY: Duration = Duration::from_secs(5);

/// What a command wants.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Command {
    /// Which tunnel this is.
    Status,
    /// Its tokens.
    List,
    /// One more token.
    Add(Spec),
    /// A new token in the place of one.
    Rotate {
        /// Its id or label; none: the tunnel's first.
        which: Option<String>,
        /// How long the old one lives on.
        grace: Duration,
    },
    /// The end of a token.
    Revoke {
        /// Its id or label.
        which: String,
    },
}

/// What the agent answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// To [`Command::Status`].
    Status(Tunnel),
    /// To [`Command::List`].
    Tokens(Vec<Listed>),
    /// To [`Command::Add`] and [`Command::Rotate`].
    Made(Made),
    /// To [`Command::Revoke`].
    Revoked {
        /// The ids of those that are gone.
        ids: Vec<String>,
        /// How many are left.
        left: usize,
        /// The relay turns them away already.
        applied: bool,
    },
    /// It was not done.
    Refused(Refusal),
}

/// A running tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// Its name.
    pub name: String,
    /// Its public URL.
    pub url: String,
    /// The relay.
    pub relay: String,
    /// The local server.
    pub target: String,
    /// The process.
    pub pid: u32,
    /// How many tokens it has; none: it is open to everybody.
    pub tokens: Option<usize>,
    /// Calls with any of them.
    pub calls: u64,
    /// What carries it, and why that.
    pub transport: String,
}

/// A new token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Made {
    /// The token itself: shown once, here.
    pub token: Secret,
    /// What can be said of it.
    pub listed: Listed,
    /// The id of the one that it replaces.
    pub replaces: Option<String>,
    /// Its globs that match none of the tools that are known.
    #[serde(default)]
    pub unmatched: Vec<String>,
    /// The tools that are known.
    #[serde(default)]
    pub tools: Vec<String>,
    /// The relay lets it in already.
    pub applied: bool,
}

/// Why something was not done: what is wrong and, behind a semicolon, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The words.
    pub why: String,
}
