//! What went wrong, why, and what to try: in that order, on stderr, with an exit code.

use std::io::Write;
use std::process::ExitCode;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// As it was meant to.
    Fine = 0,
    /// It failed.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure as the user sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    what: String,
    why: Option<String>,
    try_this: Option<String>,
}

impl Failure {
    pub(super) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), why: None, try_this: None }
    }

    pub(super) fn why(mut self, why: impl ToString) -> Self {
        self.why = Some(why.to_string());
        self
    }

    pub(super) fn try_this(mut self, hint: impl Into<String>) -> Self {
        self.try_this = Some(hint.into());
        self
    }

    /// Writes it to stderr.
    pub(super) fn print(&self) {
        let mut text = format!("error: {}\n", self.what);
        if let Some(why) = &self.why {
            text += &format!("  why: {why}\n");
        }
        if let Some(hint) = &self.try_this {
            text += &format!("  try: {hint}\n");
        }
        // There is nowhere left to report that stderr is gone.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}
