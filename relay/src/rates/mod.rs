//! How often callers may do what. Every table here is bounded.

mod bucket;
mod guesses;

pub(crate) use bucket::Bucket;
pub(crate) use guesses::Guesses;
