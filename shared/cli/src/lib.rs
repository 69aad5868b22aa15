//! What the command lines of `gantz` and `gantz-relay` share, so that they fail, stop and log alike.
//!
//! ```text
//! main ─▶ clap ─▶ the program's own `run` ─▶ exit code, or the screen of a Failure
//! ```

mod entry;
mod logs;
mod stop;

pub use entry::{completions, main, print};
pub use logs::{LogFormat, Logs, level, verbosity};
pub use stop::Stop;
