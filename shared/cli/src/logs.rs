//! Logs: on stderr, in colour only where a person reads them, and never with a secret in them.

use std::io::{self, IsTerminal};

use clap::parser::ValueSource;
use clap::{ArgMatches, ValueEnum};
use gantz_shared::failure::{Exit, Failure};
use tracing::Metadata;
use tracing_subscriber::filter::{Directive, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// The levels, with which a filter begins that names no target.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The most that there is to say: `-vv`. More of them on a command line are no more, as everywhere; a number that somebody
/// writes down means something, and is refused.
const MOST: u8 = 2;

/// How alike a word has to be to a level to be taken for a slip (Jaro-Winkler). A word that is none would otherwise be
/// heard as a target that logs nothing.
const ALIKE: f64 = 0.85;

/// Crates that log more than may be told, and the level up to which they do not. Whatever a filter asks for, beyond it
/// there is nothing.
///
/// - rmcp (the demo server's SDK) logs every message as it is, and with it what callers send.
const INDISCREET: [(&str, LevelFilter); 1] = [("rmcp", LevelFilter::INFO)];

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "a doc is what --help prints, and these speak for themselves")]
pub enum LogFormat {
    Text,
    Json,
}

/// What is to be logged.
#[derive(Debug, Clone, Copy)]
pub struct Logs {
    /// How.
    pub format: LogFormat,
    /// What the number of `-v` asks for, as a filter.
    pub filter: &'static str,
    /// The variable of the environment that may ask for something else.
    pub variable: &'static str,
}

impl Logs {
    /// From here on everything is logged.
    ///
    /// # Errors
    /// The variable holds no filter.
    pub fn init(self) -> Result<(), Failure> {
        let filter = self.filter()?;
        let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let logs = fmt::layer().with_writer(io::stderr).with_ansi(colour);
        // Where stderr is gone there is nowhere to report it, and trying to would panic.
        let logs = logs.log_internal_errors(false);
        let logs = match self.format {
            LogFormat::Text => logs.boxed(),
            LogFormat::Json => logs.json().boxed(),
        };
        let discreet = filter_fn(|event| !is_indiscreet(event)).with_max_level_hint(LevelFilter::TRACE);
        tracing_subscriber::registry().with(logs.with_filter(filter.and(discreet))).init();
        Ok(())
    }

    /// Whether [`init`](Self::init) would.
    ///
    /// # Errors
    /// The variable holds no filter.
    pub fn check(self) -> Result<(), Failure> {
        self.filter().map(drop)
    }

    fn filter(self) -> Result<EnvFilter, Failure> {
        let text = match std::env::var_os(self.variable) {
            Some(text) if !text.is_empty() => text,
            // A variable that is empty is none, as compose files leave them.
            _ => return Ok(EnvFilter::new(self.filter)),
        };
        let text = text.into_string().map_err(|_| self.no_filter("it is not UTF-8".into()))?;
        parse(&text).map_err(|why| self.no_filter(why))
    }

    fn no_filter(self, why: String) -> Failure {
        Failure::new(Exit::Usage, format!("the value of {} cannot be used", self.variable))
            .why(why)
            .hint(format!("a level, or levels of targets, such as {}={}", self.variable, "info,gantz_transport=trace"))
    }
}

/// Whether a line could tell what nobody may know.
fn is_indiscreet(event: &Metadata<'_>) -> bool {
    INDISCREET.iter().any(|(name, most)| {
        let inside = event.target().strip_prefix(name);
        inside.is_some_and(|rest| rest.is_empty() || rest.starts_with("::")) && event.level() > most
    })
}

/// The filter that `text` writes; what is wrong with it, otherwise.
fn parse(text: &str) -> Result<EnvFilter, String> {
    let directives: Vec<_> = text.split(',').map(str::trim).filter(|directive| !directive.is_empty()).collect();
    for directive in &directives {
        directive.parse::<Directive>().map_err(|error| format!("`{directive}`: {error}"))?;
        let word = directive.to_lowercase();
        let is_word = word.bytes().all(|byte| byte.is_ascii_alphabetic());
        let nearest = LEVELS.iter().find(|level| is_word && strsim::jaro_winkler(&word, level) >= ALIKE);
        if let Some(level) = nearest.filter(|level| **level != word) {
            return Err(format!("`{directive}` is not a level, `{level}` is"));
        }
    }
    EnvFilter::try_new(directives.join(",")).map_err(|error| error.to_string())
}

/// How many `-v` a variable of the environment stands for.
///
/// # Errors
/// It is not a number.
pub fn verbosity(text: &str) -> Result<u8, String> {
    text.parse().map_err(|_| format!("`{text}` in the environment is not a number; 0, 1 or 2"))
}

/// The number of `-v` that somebody has written down, in a file or in the environment.
///
/// # Errors
/// There is not so much to say.
pub fn level(verbose: u8) -> Result<u8, String> {
    if verbose <= MOST { Ok(verbose) } else { Err(format!("there is no level {verbose}; 0, 1 or 2")) }
}

/// Whether the environment says how much is to be logged, and too much. clap shows its parsers a count of flags as if it
/// were a value: only afterwards one can tell which it was.
///
/// # Errors
/// As [`level`].
pub(crate) fn check_level(matches: &ArgMatches) -> Result<(), Failure> {
    // Not every command logs.
    let Ok(Some(verbose)) = matches.try_get_one::<u8>("verbose") else { return Ok(()) };
    if matches.value_source("verbose") != Some(ValueSource::EnvVariable) {
        return Ok(());
    }
    let checked = level(*verbose).map(drop);
    checked.map_err(|words| Failure::new(Exit::Usage, "the value of --verbose cannot be used").words(&words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_people_write() {
        for good in [
            "",
            "info",
            "DEBUG",
            "0",
            "info,gantz_agent=debug",
            " warn , quinn=trace ",
            "hyper",
            "h2=off",
            "h2=debug",
            "[call]=trace",
        ] {
            assert!(parse(good).is_ok(), "{good}: {:?}", parse(good));
        }
    }

    #[test]
    fn what_is_no_filter_is_named() {
        for (bad, named) in [
            ("gantz_agent=loud", "`gantz_agent=loud`"),
            ("info,=,debug", "`=`"),
            ("info,dbug", "`debug`"),
            ("inof", "`info`"),
            ("warning", "`warn`"),
        ] {
            let why = parse(bad).expect_err(bad);
            assert!(why.contains(named), "{bad}: {why}");
        }
    }
}
