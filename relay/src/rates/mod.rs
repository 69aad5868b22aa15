//! How often callers may do what. Every table here is bounded.

mod bucket;
mod guesses;
mod per_source;

pub(crate) use bucket::Bucket;
pub(crate) use guesses::Guesses;
pub(crate) use per_source::PerSource;
