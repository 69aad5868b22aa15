//! The tokens of a running tunnel: made here, known to the relay by their digests only.

mod book;
mod label;
mod record;

pub use book::{Book, Changed, Changes, Listed, MIN_LIFE, Spec, TokenError};
pub use record::{First, Record, Snapshot};
