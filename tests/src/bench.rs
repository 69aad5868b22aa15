//! What several benchmarks have in common: processes that are measured, loads for them, and what is answered to those.

pub mod answers;
pub mod client;
pub mod closed;
pub mod durations;
pub mod machine;
pub mod memory;
pub mod paced;
pub mod payload;
pub mod process;
pub mod processor;
pub mod table;
pub mod ticks;
