//! The audit log: who did what, a JSON line each, in a file that is rotated by size. Writing it is never in the way of
//! traffic: whatever happens to the disk, [`Audit::write`] returns at once.
//!
//! ```text
//! Audit::write ─▶ Queue (bounded in bytes) ─▶ one thread ─▶ audit.log ─▶ audit.log.1 … audit.log.N
//!                   │ full: counted                │ fails: kept, tried again, told once through `tracing`
//!                   └─▶ {"time":…,"event":"audit_lost","count":n}, where the lost ones would stand
//! ```
//!
//! ```
//! # use serde::Serialize;
//! #[derive(Serialize)]
//! #[serde(tag = "event", rename_all = "snake_case")]
//! enum Event<'a> {
//!     TunnelOpened { name: &'a str },
//! }
//!
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join(gantz_audit::FILE_NAME);
//! let (audit, keeper) = gantz_audit::Audit::open(&path, gantz_audit::Limits::default())?;
//! audit.write(&Event::TunnelOpened { name: "cool-penguin" });
//! keeper.close();
//! # let line = std::fs::read_to_string(&path)?;
//! # assert!(line.starts_with(r#"{"time":"2"#), "{line}");
//! # assert!(line.ends_with("Z\",\"event\":\"tunnel_opened\",\"name\":\"cool-penguin\"}\n"), "{line}");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! What always holds: a line is whole or not there, and begins with `time` and `event`; times do not run backwards unless
//! the clock does; what is missing is counted where it is missing; memory and disk stay within [`Limits`].

mod audit;
mod file;
mod limits;
mod line;
mod queue;
mod redact;
mod rotate;
mod writer;

pub use audit::{Audit, CLOSE_DEADLINE, Keeper, OpenError};
pub use limits::{FILE_NAME, Limits};
pub use line::MAX_LINE;
pub use redact::{MAX_DEPTH, MAX_STRING, MAX_TOTAL, REDACTED, SECRET_NAMES, SECRET_WORDS, redact, redact_also};
pub use writer::RETRY_AFTER;
