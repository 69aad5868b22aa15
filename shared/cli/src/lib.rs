//! What the command lines of `gantz` and `gantz-relay` share, so that they fail, stop and log alike.
//!
//! ```text
//! main ─▶ clap ─▶ the program's own `run` ─▶ exit code, or the screen of a Failure
//! ```

mod entry;
mod logs;
mod spans;
mod stop;
mod table;
mod usage;

pub use entry::{completions, main, print};
pub use logs::{LogFormat, Logs, level, verbosity};
pub use spans::Spans;
pub use stop::Stop;
pub use table::Table;
