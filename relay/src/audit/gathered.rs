//! Callers that were turned away, and what agents do. The first time is a line at once; what is repeated (the same reason
//! and source; of callers, the same tunnel) is counted, and told in one line an interval.
//!
//! What always holds: every event is in a line or in the count of one, and lines and memory are bounded, wherever callers
//! come from and however many they are. Each reason has its own room: who fills that of one hides nothing of another.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::edge::Code;
use crate::sources::network;

/// How often what was gathered is told.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);

/// Wrong and expired tokens that one source shows to one tunnel and that are a line each, an interval: more than the
/// limit of guesses lets through where nobody has raised it. After that, they are gathered until there were none for an
/// interval.
pub(crate) const WRONG_TOKENS: u32 = 100;

/// What agents of one source do and that is a line each, an interval and kind: more than the agents of one desk, and far
/// less than one needs to have the log rotated over what it says of it.
pub(crate) const OF_AGENTS: u32 = 60;

/// Lines at once, a reason and interval, from all sources together. What comes then is gathered from its first time.
pub(crate) const LINES_AT_ONCE: usize = 500;

/// Tunnels with a source whose events are gathered by themselves, a reason. What comes from others then is told in one
/// line for all of them, which says how many sources there were, up to this number.
pub(crate) const SOURCES: usize = 500;

/// Why a caller was turned away, or what an agent has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Why {
    /// A wrong or expired token, or none.
    AuthFailed(Code),
    /// Too often; the name of the limit.
    RateLimited(&'static str),
    /// Of an agent; the name of the event, and with which code.
    Agent(&'static str, Option<&'static str>),
}

impl Why {
    /// Events of one source and tunnel that are a line each, an interval.
    fn at_once(self) -> u32 {
        match self {
            Self::AuthFailed(Code::InvalidToken | Code::ExpiredToken) => WRONG_TOKENS,
            Self::AuthFailed(_) | Self::RateLimited(_) => 1,
            Self::Agent(..) => OF_AGENTS,
        }
    }
}

/// One line.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    #[serde(flatten)]
    count: Option<Count>,
    /// In place of a source: from how many the events came, at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    sources_at_least: Option<usize>,
}

/// How many events a line stands for, and when they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Count {
    count: u64,
    #[serde(serialize_with = "rfc3339")]
    first: SystemTime,
    #[serde(serialize_with = "rfc3339")]
    last: SystemTime,
}

impl Line {
    fn new(why: Why, source: Option<String>, name: Option<&str>, count: Option<Count>) -> Self {
        let (event, code, limit) = match why {
            Why::AuthFailed(code) => ("auth_failed", Some(code.row().1), None),
            Why::RateLimited(limit) => ("rate_limited", None, Some(limit)),
            Why::Agent(event, code) => (event, code, None),
        };
        Self { event, source, name: name.map(str::to_owned), code, limit, count, sources_at_least: None }
    }
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    reasons: HashMap<Why, Reason>,
}

/// What is known of one reason in this interval.
#[derive(Debug, Default)]
struct Reason {
    /// Lines that were written at once.
    lines: usize,
    /// By the tunnel's name and the source's network.
    repeated: HashMap<(String, IpAddr), Repeated>,
    /// What found no place among them, and where it came from.
    others: Option<(Count, HashSet<IpAddr>)>,
}

#[derive(Debug, Default)]
struct Repeated {
    /// Events that were a line each, or have to count as such.
    at_once: u32,
    count: Option<Count>,
}

impl Gathered {
    /// Takes an event. The line is to be written at once; without one, the event is told later.
    pub(crate) fn take(&mut self, why: Why, source: IpAddr, name: &str, now: SystemTime) -> Option<Line> {
        let is_line = self.is_line(why, source, name, now);
        is_line.then(|| Line::new(why, Some(source.to_canonical().to_string()), Some(name), None))
    }

    /// As [`take`](Self::take), for an event that has a line of its own kind. What agents do is not told apart by the names
    /// of their tunnels: those they choose.
    pub(crate) fn is_line(&mut self, why: Why, source: IpAddr, name: &str, now: SystemTime) -> bool {
        let reason = self.reasons.entry(why).or_default();
        let key = (name.to_owned(), network(source));
        let is_full = reason.repeated.len() >= SOURCES;
        if is_full && !reason.repeated.contains_key(&key) {
            let (count, sources) = reason.others.get_or_insert_with(|| (Count::none(now), HashSet::new()));
            count.one_more(now);
            if sources.len() < SOURCES {
                sources.insert(key.1);
            }
            return false;
        }
        let repeated = reason.repeated.entry(key).or_default();
        if repeated.at_once < why.at_once() && reason.lines < LINES_AT_ONCE {
            repeated.at_once += 1;
            reason.lines += 1;
            return true;
        }
        repeated.count.get_or_insert_with(|| Count::none(now)).one_more(now);
        false
    }

    /// Ends the interval: what is to be told of it. Whoever has repeated something is not told of at once again before
    /// there was an interval without it.
    pub(crate) fn tell(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        for (&why, reason) in &mut self.reasons {
            reason.lines = 0;
            reason.repeated.retain(|(name, source), repeated| {
                let Some(count) = repeated.count.take() else { return false };
                repeated.at_once = why.at_once();
                lines.push(Line::new(
                    why,
                    Some(spelled(*source)),
                    Some(&**name).filter(|name| !name.is_empty()),
                    Some(count),
                ));
                true
            });
            if let Some((count, sources)) = reason.others.take() {
                let sources_at_least = Some(sources.len());
                lines.push(Line { sources_at_least, ..Line::new(why, None, None, Some(count)) });
            }
        }
        lines
    }
}

impl Count {
    fn none(now: SystemTime) -> Self {
        Self { count: 0, first: now, last: now }
    }

    fn one_more(&mut self, now: SystemTime) {
        self.count += 1;
        self.last = now;
    }
}

/// A source as it is counted: an address, or a network of IPv6.
fn spelled(source: IpAddr) -> String {
    if source.is_ipv6() { format!("{source}/64") } else { source.to_string() }
}

fn rfc3339<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*time))
}

#[cfg(test)]
mod tests;
