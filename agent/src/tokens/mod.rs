//! The tokens of a running tunnel: made here, known to the relay by their digests only.

mod book;

pub use book::{Book, Changed, Listed, Spec, TokenError};
