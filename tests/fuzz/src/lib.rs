//! What must always hold of each decoder, whatever bytes it is given: one module a fuzz target, each with a `check` that
//! panics when a decoder breaks its word. libFuzzer calls these from `targets/`, and `cargo test` replays `seeds/`
//! through the same functions (`tests/suite/fuzz_seeds.rs`).

pub mod endpoint;
pub mod field_filters;
pub mod frames;
pub mod from_agent;
pub mod from_relay;
pub mod names;
pub mod request_head;
pub mod response_head;
pub mod trailers;
pub mod varint;

mod control;
mod pieces;

/// A target: its name, which is also its folder of seeds, and its check.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 10] = [
    ("endpoint", endpoint::check),
    ("field_filters", field_filters::check),
    ("frames", frames::check),
    ("from_agent", from_agent::check),
    ("from_relay", from_relay::check),
    ("names", names::check),
    ("request_head", request_head::check),
    ("response_head", response_head::check),
    ("trailers", trailers::check),
    ("varint", varint::check),
];
