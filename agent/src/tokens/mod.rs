//! The tokens of a running tunnel: made here, known to the relay by their digests only.

mod book;
mod record;

pub use book::{Book, Changed, Changes, Listed, Spec, TokenError};
pub use record::{First, Record, Snapshot};
