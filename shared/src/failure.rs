//! How both command lines fail: what happened, why, and what to try, in that order, and an exit code.

use std::fmt;
use std::process::ExitCode;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// As it was meant to.
    Fine = 0,
    /// It failed.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The relay does not open the tunnel: bad key, name taken, version too old.
    Refused = 3,
    /// The relay was not reached.
    Unreachable = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure as the user sees it: `Display` is the whole screen, with its last line's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    what: String,
    why: Option<String>,
    hint: Option<String>,
}

impl Failure {
    /// What happened.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), why: None, hint: None }
    }

    /// Why it happened.
    #[must_use]
    pub fn why(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(why.to_string());
        self
    }

    /// What to try next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.what)?;
        if let Some(why) = &self.why {
            writeln!(f, "  why: {why}")?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "  try: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
