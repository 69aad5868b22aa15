//! What the command lines of `gantz` and `gantz-relay` share, so that they hear, fail, stop and log alike.
//!
//! ```text
//! main ─▶ clap, files ─▶ the program's own `run` ─▶ exit code, or the screen of a Failure
//! ```

mod entry;
mod file;
mod logs;
mod pair;
mod said;
mod spans;
mod stop;
mod table;
mod usage;

pub use entry::{Program, complain, completions, main, print};
pub use file::{Source, Sources};
pub use logs::{LogFormat, Logs, level, verbosity};
pub use pair::{One, Pair};
pub use said::{Layer, Place, Said, Setting};
pub use spans::Spans;
pub use stop::Stop;
pub use table::Table;
