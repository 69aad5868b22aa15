//! How both command lines fail: what happened, why, and what to try, in that order, and an exit code.

use std::fmt;
use std::panic::PanicHookInfo;
use std::process::ExitCode;

/// Columns of a screen: what is longer is wrapped between words, on a terminal or not, so that it reads the same.
const WIDTH: usize = 80;

/// Columns of `error: `, `  why: ` and `  try: `.
const LABEL: usize = 7;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// As it was meant to; a first Ctrl-C or SIGTERM is one of the ways to mean it.
    Fine = 0,
    /// It failed.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The relay does not open the tunnel: bad key, name taken, version too old.
    Refused = 3,
    /// The relay was not reached.
    Unreachable = 4,
    /// A second signal cut off what the first let finish: 128 + SIGINT, as shells have it.
    Cut = 130,
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

    /// What a panic is: a bug, and nobody else's.
    #[must_use]
    pub fn panicked(program: &str, panic: &PanicHookInfo<'_>) -> Self {
        let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
        Self::new(Exit::Failed, format!("{program} has a bug{place}"))
            .why(panic.payload_as_str().unwrap_or("unknown"))
            .hint("the same again with RUST_BACKTRACE=1, and report what is printed")
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

    /// What happened, why, and what to try.
    #[must_use]
    pub fn parts(&self) -> (&str, Option<&str>, Option<&str>) {
        (&self.what, self.why.as_deref(), self.hint.as_deref())
    }

    /// Why it happened and, after the first semicolon, what to try next: how this project's parsers say it.
    #[must_use]
    pub fn words(self, words: &str) -> Self {
        match words.split_once("; ") {
            Some((why, hint)) => self.why(why).hint(hint),
            None => self.why(words),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        part(f, "error: ", &self.what)?;
        if let Some(why) = &self.why {
            part(f, "  why: ", why)?;
        }
        if let Some(hint) = &self.hint {
            part(f, "  try: ", hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

fn part(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    f.write_str(label)?;
    let mut column = LABEL;
    for (index, word) in printable(text).split(' ').enumerate() {
        let len = word.chars().count();
        if index > 0 && column + 1 + len > WIDTH {
            write!(f, "\n{:LABEL$}", "")?;
            column = LABEL;
        } else if index > 0 {
            f.write_str(" ")?;
            column += 1;
        }
        f.write_str(word)?;
        column += len;
    }
    writeln!(f)
}

/// `text` in one line without control characters: some of it is the other end's words, which must not drive a terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_wrap_between_words_under_their_label() {
        let failure = Failure::new(Exit::Failed, "a ".repeat(60) + "end").words("why so; this\x1b[31m and\nthat");
        let screen = failure.to_string();
        assert!(screen.lines().all(|line| line.chars().count() <= WIDTH), "{screen}");
        assert!(screen.starts_with("error: a a a"), "{screen}");
        assert!(screen.contains("\n       a a"), "{screen}");
        assert!(screen.ends_with("end\n  why: why so\n  try: this [31m and that\n"), "{screen}");
    }

    #[test]
    fn a_word_is_never_broken() {
        let path = "/long".repeat(30);
        assert_eq!(Failure::new(Exit::Usage, format!("no {path}")).to_string(), format!("error: no\n       {path}\n"));
    }
}
