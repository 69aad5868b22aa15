//! What several benchmarks have in common: processes that are measured, and loads for them.

pub mod client;
pub mod closed;
pub mod durations;
pub mod machine;
pub mod paced;
pub mod payload;
pub mod process;
pub mod processor;
pub mod ticks;
